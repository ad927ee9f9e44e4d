"""A denoiser for 8-bit images of which unreliable bits are known."""

import keras
import numpy as np
from keras import ops

BIT_WEIGHTS = 2.0 ** np.arange(7, -1, -1, dtype="float32") / 255
"""Share of each bit of a pixel, most significant first, on a [-1, 1] scale."""


@keras.saving.register_keras_serializable(package="link_sim")
class PixelDenoiser(keras.layers.Layer):
    """The MMSE estimate of pixels through the posterior of their bits.

    A pixel in [-1, 1] is a weighted sum of bits as -1 and 1, so its conditional mean
    is the same sum of their means. The network updates the received LLRs, as a decoder
    does, and adds what the noisy state tells beyond that:

        mean = sum_k w_k tanh((gain_k llr_k + logit_k) / 2)
        x0_hat = (1 - c) x + c mean + c_out residual,  c = sigma^2 / (sigma^2 + d^2)

    with `d = sigma_data` and `c_out = sigma d / sqrt(sigma^2 + d^2)`, the scalings of
    `PreconditionedDenoiser`. At `x = 0, sigma = 1e4` only bits and residual are left.

    Args:
        network: A Keras model of an image and a level [batch, 1], with outputs
            `logit`, `gain - 1` (8 per image channel each) and residual (1 each).
        sigma_data: Standard deviation of the clean data per real dimension.

    Call arguments:
        x: [batch, height, width, channels], on the scale [-1, 1].
        sigma: A scalar or [batch, 1, 1, 1].
        condition: [batch, height, width, any], of which the first 8 channels per image
            channel are the means of the bits, `tanh(llr / 2)`.
    """

    def __init__(self, network, sigma_data: float, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.sigma_data = sigma_data

    def __call__(self, x, sigma, condition, **kwargs):
        if isinstance(sigma, float | np.floating):  # Keras takes tensors only
            sigma = ops.convert_to_tensor(sigma, "float32")
        return super().__call__(x, sigma, condition, **kwargs)

    def call(self, x, sigma, condition):
        sigma = ops.broadcast_to(ops.cast(sigma, x.dtype), (ops.shape(x)[0], 1, 1, 1))
        total = ops.sqrt(sigma**2 + self.sigma_data**2)
        level = ops.reshape(ops.log(ops.clip(sigma, 1e-3, 1e3)) / 4, (-1, 1))
        outputs = self.network([ops.concatenate([x / total, condition], -1), level])
        bits = 8 * x.shape[-1]
        logit, gain, residual = ops.split(outputs, [bits, 2 * bits], axis=-1)
        known = ops.clip(condition[..., :bits], -0.9999, 0.9999)
        llr = ops.log((1 + known) / (1 - known))
        soft_bits = ops.tanh(((1 + gain) * llr + logit) / 2)
        shape = (*ops.shape(x), 8)
        mean = ops.matmul(ops.reshape(soft_bits, shape), BIT_WEIGHTS)
        share, c_out = (sigma / total) ** 2, sigma * self.sigma_data / total
        return (1 - share) * x + share * mean + c_out * residual

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        config = {"network": network, "sigma_data": self.sigma_data}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})
