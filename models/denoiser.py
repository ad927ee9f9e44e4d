"""Denoisers: `x0_hat = denoiser(x, sigma)`.

The contract: given `x = x0 + sigma n` with `n ~ N(0, I)` per real dimension, the
result is the MMSE estimate `E[x0 | x]`. `sigma` is a scalar or broadcasts to `x`.
Samplers, guidance and receivers know nothing else about a generative model.
"""

import math

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="link_sim")
class PreconditionedDenoiser(keras.layers.Layer):
    """A denoiser around a network `network([image, level])`.

        x0_hat = c_skip x + c_out network([c_in x, condition], log(sigma) / 4)

    with the scalings that give the network unit-variance input and target (Karras
    et al., "Elucidating the design space of diffusion-based generative models",
    2022, table 1). For `sigma` far above `sigma_data` the estimate tends to that
    from the condition alone; `x = 0, sigma = 1e4` asks for exactly that.

    Args:
        network: A Keras model of an image and a level [batch, 1].
        sigma_data: Standard deviation of the clean data per real dimension.

    Call arguments:
        x: [batch, height, width, channels].
        sigma: A scalar or [batch, 1, 1, 1].
        condition: Optional [batch, height, width, any]; bind it with
            `functools.partial(denoiser, condition=condition)`.
    """

    def __init__(self, network, sigma_data: float, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.network = network
        self.sigma_data = sigma_data

    def __call__(self, x, sigma, condition=None, **kwargs):
        if isinstance(sigma, float | np.floating):  # Keras takes tensors only
            sigma = ops.convert_to_tensor(sigma, "float32")
        return super().__call__(x, sigma, condition, **kwargs)

    def call(self, x, sigma, condition=None):
        sigma = ops.broadcast_to(ops.cast(sigma, x.dtype), (ops.shape(x)[0], 1, 1, 1))
        total = ops.sqrt(sigma**2 + self.sigma_data**2)
        image = x / total
        if condition is not None:
            image = ops.concatenate([image, condition], axis=-1)
        level = ops.reshape(ops.log(ops.clip(sigma, 1e-3, 1e3)) / 4, (-1, 1))
        c_skip, c_out = (self.sigma_data / total) ** 2, sigma * self.sigma_data / total
        return c_skip * x + c_out * self.network([image, level])

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {
            **super().get_config(),
            "network": network,
            "sigma_data": self.sigma_data,
        }

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})


class GaussianDenoiser:
    """The exact denoiser of `x0 ~ N(mean, variance)`, element by element.

        x0_hat = mean + variance / (variance + sigma^2) (x - mean)

    Args:
        mean, variance: Broadcast to `x`.
    """

    def __init__(self, mean=0.0, variance=1.0):
        self.mean, self.variance = mean, variance

    def __call__(self, x, sigma):
        gain = self.variance / (self.variance + sigma**2)
        return self.mean + gain * (x - self.mean)


class GaussianMixtureDenoiser:
    """The exact denoiser of a mixture of isotropic Gaussians over the last axis.

    Args:
        means: [components, dimension].
        variances: [components], per real dimension.
        weights: [components], positive, summing to 1.
    """

    def __init__(self, means, variances, weights):
        self.means = ops.convert_to_tensor(means, "float32")
        self.variances = ops.convert_to_tensor(variances, "float32")
        self.weights = ops.convert_to_tensor(weights, "float32")

    def __call__(self, x, sigma):
        dimension = self.means.shape[-1]
        total = self.variances + ops.cast(sigma, "float32") ** 2  # [..., components]
        gap = x[..., None, :] - self.means  # [..., components, dimension]
        energy = ops.sum(gap**2, axis=-1) / total
        norm = dimension * ops.log(2 * math.pi * total)
        posterior = ops.softmax(ops.log(self.weights) - 0.5 * (energy + norm))
        estimates = self.means + (self.variances / total)[..., None] * gap
        return ops.sum(posterior[..., None] * estimates, axis=-2)
