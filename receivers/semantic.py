"""Semantic communication: images as analog symbols, and decoders of noisy symbols.

Tensors carry an axis of users: each of them sends an image of its own. A user's symbols
have mean energy 1 in each image (the published normalisation to a unit norm, times
sqrt(k)), so `no` is 1 / SNR of a single user.
"""

import functools

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.samplers import euler
from link_sim.models.schedules import karras_sigmas
from link_sim.receivers.layer import ReceiverLayer

DECODER_OPTIONS = {"image_shape", "max_symbols"}
SIGMA_INFINITE = 1e4
"""Asks a denoiser for the estimate from the symbols alone."""
SIGMA_MAX, SIGMA_MIN = 1.0, 0.02
"""Ends of the reverse process for images in [-1, 1]: well above the error of that
estimate, and half an 8-bit level."""


def num_symbols(bandwidth_ratio: float, image_shape, multiple: int = 1) -> int:
    """Channel uses k of an image at a bandwidth ratio k/n, a multiple of `multiple`.

    n = height * width * channels; k is rounded, and then down to a multiple.
    """
    return max(1, round(np.prod(image_shape) * bandwidth_ratio) // multiple) * multiple


def normalise_power(parts, count):
    """Scales each image's symbols to an energy of `count`.

    parts : real [..., k, 2], real and imaginary parts
    """
    energy = ops.sum(parts**2, axis=(-2, -1), keepdims=True)
    return parts * ops.sqrt(count / ops.maximum(energy, 1e-12))


def observe(x_hat, no_eff, max_symbols: int):
    """What a decoder network is told: a real vector, and two levels.

    Each symbol is shrunk to its linear MMSE estimate, w x_hat with w = 1/(1 + no_eff).
    The symbols that were not sent count as infinitely noisy: an encoder of fewer
    symbols is the same with the rest erased.

    x_hat : [batch, users, k], complex, and no_eff, float, k at most `max_symbols`

    Returns float [batch * users, 2 max_symbols], the mean of w and the share of places
    used, [batch * users, 2].
    """
    weight = 1 / (1 + no_eff)
    shape = -1, x_hat.shape[2]
    weight, x_hat = ops.reshape(weight, shape), ops.reshape(x_hat, shape)
    pad = (0, 0), (0, max_symbols - shape[1])
    parts = ops.real(x_hat) * weight, ops.imag(x_hat) * weight
    vector = ops.concatenate([ops.pad(part, pad) for part in parts], axis=-1)
    used = ops.cast(weight > 0, "float32")
    levels = ops.sum(weight, -1) / ops.sum(used, -1), ops.sum(used, -1) / max_symbols
    return vector, ops.stack(levels, axis=-1)


def check_count(count: int, most: int) -> None:
    """Raises `ValueError` for symbols per image that a network does not allow."""
    if not 0 < count <= most:
        raise ValueError(f"{count} symbols for an image: use 1 to {most}")


def check_steps(num_steps: int) -> None:
    """Raises `ValueError` for a number of evaluations that no decoder takes."""
    if not 1 <= num_steps <= 200:
        raise ValueError(f"num_steps = {num_steps} is not possible: use 1 to 200")


@keras.saving.register_keras_serializable(package="link_sim")
class SymbolEncoder(ReceiverLayer):
    """Maps images to channel symbols.

    Args:
        network: Image to a real vector, such as `SemanticEncoder`: real
            parts of all symbols, then imaginary parts.

    Call arguments:
        image: [batch, users, height, width, channels] in [0, 1].
        count: Symbols k per image; the first k are sent.
        no: What the transmitter expects of the noise; this one does not care.

    Returns complex64 [batch, users, k]; each image has mean symbol energy 1. Raises
    `ValueError` for a `count` that the network does not allow.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.max_symbols = network.output_shape[-1] // 2

    @classmethod
    def from_preset(cls, name: str, **kwargs):
        """The encoder with the shipped weights `name`, or those in an `.npz` file.

        Raises `ValueError` for weights of something else.
        """
        network = pretrained.load_model(name)
        if not isinstance(network, keras.Model):
            raise ValueError(
                f"'{name}' has no weights of a semantic encoder: use semantic-encoder-…"
            )
        return cls(network, **kwargs)

    def __call__(self, image, count: int, no=None, **kwargs):
        check_count(count, self.max_symbols)
        return super().__call__(image, count=count, no=no, **kwargs)

    def call(self, image, count: int, no=None):
        users = image.shape[1]
        z = self.network(ops.reshape(image, (-1, *image.shape[2:])))
        real, imag = z[:, :count], z[:, self.max_symbols : self.max_symbols + count]
        parts = normalise_power(ops.stack([real, imag], axis=-1), float(count))
        x = ops.view_as_complex(parts)
        return ops.reshape(x, (-1, users, count))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network}


@keras.saving.register_keras_serializable(package="link_sim")
class SemanticDecoder(ReceiverLayer):
    """Recovers images from equalised symbols and their noise variances.

    The decoder of an autoencoder or VAE, and with `num_steps` above 1 the conditional
    diffusion decoder ("CDiff") of Letafati, Ali and Latva-aho (2023, section IV-B): one
    network serves any number of steps and of symbols. The first evaluation is the MMSE
    estimate from the symbols; the others follow the probability-flow ODE from that
    estimate with noise of `SIGMA_MAX` to a draw from (about) the posterior.

    Args:
        denoiser: `denoiser(x, sigma, vector, levels)` of images in [-1, 1], such as
            `link_sim.models.semantic.SemanticDenoiser`.
        image_shape: Height, width and channels.
        max_symbols: Channel uses per image that the denoiser was trained for, at most.
        num_steps: Evaluations of the network, 1 to 200.
        seed: Of the noise that is drawn where none is given.

    Call arguments:
        x_hat: [batch, users, k], complex, unbiased estimates of symbols of energy 1.
        no_eff: The same shape, float, variance of their errors per complex dimension.
        noise: Of the sampler, from `draw_noise`; drawn from `seed` if not given.
        realism: How far to go from the MMSE estimate to the sample, 0 to 1.

    Returns images [batch, users, height, width, channels] in [0, 1]. Raises
    `ValueError` for more symbols than `max_symbols`, or other numbers of steps.

    Example:
        >>> decoder = SemanticDecoder.from_preset("semantic-cdiff-mnist", num_steps=8)
        >>> image_hat = decoder(x_hat, no_eff)
    """

    def __init__(
        self, denoiser, image_shape, max_symbols, num_steps=1, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        check_steps(num_steps)
        self.denoiser = denoiser
        self.image_shape = tuple(image_shape)
        self.max_symbols = max_symbols
        self.num_steps = num_steps
        self.seed = seed

    @classmethod
    def from_preset(cls, name: str, num_steps: int = 1, **kwargs):
        """The decoder with the shipped weights `name`, or those in an `.npz` file.

        Raises `ValueError` for weights of something else.
        """
        options = pretrained.read_card(name).get("decoder")
        if not isinstance(options, dict) or options.keys() != DECODER_OPTIONS:
            raise ValueError(
                f"'{name}' has no weights of a semantic decoder: use one whose card "
                "has a decoder with image_shape and max_symbols"
            )
        options |= kwargs
        return cls(pretrained.load_model(name), **options, num_steps=num_steps)

    def draw_noise(self, num_images, seed: int):
        """The sampler's noise: [num_images, height, width, channels]."""
        return keras.random.normal((num_images, *self.image_shape), seed=seed)

    def __call__(self, x_hat, no_eff, noise=None, realism=1.0, **kwargs):
        if x_hat.shape[-1] > self.max_symbols:
            raise ValueError(
                f"{x_hat.shape[-1]} symbols per image, but the decoder was trained for "
                f"{self.max_symbols}: lower the bandwidth ratio"
            )
        return super().__call__(x_hat, no_eff, noise=noise, realism=realism, **kwargs)

    def call(self, x_hat, no_eff, noise, realism):
        vector, levels = observe(x_hat, no_eff, self.max_symbols)
        denoiser = functools.partial(self.denoiser, vector=vector, levels=levels)
        count = ops.shape(vector)[0]
        x = mean = denoiser(ops.zeros((count, *self.image_shape)), SIGMA_INFINITE)
        if self.num_steps > 1:
            noise = self.draw_noise(count, self.seed) if noise is None else noise
            sigmas = karras_sigmas(self.num_steps - 1, SIGMA_MIN, SIGMA_MAX)
            end = euler(denoiser, mean + sigmas[0] * noise, sigmas)
            x = mean + realism * (end - mean)
        image = (ops.clip(x, -1, 1) + 1) / 2
        return ops.reshape(image, (-1, x_hat.shape[1], *self.image_shape))

    def compute_output_shape(self, x_hat_shape, no_eff_shape=None):
        return (*x_hat_shape[:2], *self.image_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "image_shape": self.image_shape,
            "max_symbols": self.max_symbols,
            "num_steps": self.num_steps,
            "seed": self.seed,
        }
