"""Convolutional networks for images of any size as symbols at any rate and SNR.

An image is folded to a quarter of its height and width; each place of that map sends
up to `per_place` complex numbers, the most important first, so that a transmission of
fewer symbols is the beginning of a longer one.
"""

import keras
import numpy as np
from keras import ops

from link_sim.models.layers import conv

EMBEDDING = 64
"""Numbers that modulate all blocks."""
FOLD = 4
"""Pixels of a place, in height and in width."""
BLOCK = 4
"""Places of a block, in height and in width: what may send more than others."""


@keras.saving.register_keras_serializable(package="link_sim")
class ScalableEncoder(keras.Model):
    """Maps images to a map of real features, real parts first, then imaginary parts.

    Args:
        channels: Of the images.
        per_place: Complex numbers of each `FOLD` x `FOLD` pixels, at most.
        widths: Channels at half and at quarter resolution.
        depths: Residual blocks there.
        outputs: Reals for each complex number: 2, or 4 for means and then log
            variances.
        dtype: Policy of the convolutions.

    Call arguments:
        inputs: `image` [batch, height, width, channels] in [-1, 1], sides multiples
            of `FOLD`, and `levels` [batch, height / 4, width / 4, 2]: 1 / (1 + no) and
            the share of its numbers that a place sends, both above 0.

    Returns float32 [batch, height / 4, width / 4, outputs * per_place].
    """

    def __init__(
        self,
        channels: int,
        per_place: int,
        widths=(64, 128),
        depths=(2, 2),
        outputs: int = 2,
        dtype: str = "float32",
        **kwargs,
    ):
        image = keras.Input((None, None, channels))
        levels = keras.Input((None, None, 2))
        embedding = _embed(levels, dtype)
        x = conv(widths[0], 4, dtype, strides=2)(image)
        x = _blocks(x, _twice(embedding), depths[0], dtype)
        x = conv(widths[1], 2, dtype, strides=2)(x)
        x = _blocks(x, embedding, depths[1], dtype)
        z = conv(outputs * per_place, 3, "float32")(ops.silu(x))
        z = z * (1 + _modulation(outputs * per_place, embedding, "float32"))
        super().__init__([image, levels], z, **kwargs)
        self.config = {
            "channels": channels,
            "per_place": per_place,
            "widths": list(widths),
            "depths": list(depths),
            "outputs": outputs,
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}


@keras.saving.register_keras_serializable(package="link_sim")
class ScalableDecoder(keras.Model):
    """Maps received features to images: the mean and variance of what was sent.

    Args:
        channels, per_place, dtype: As of the encoder.
        widths: Channels at half and at quarter resolution.
        depths: Residual blocks there.

    Call arguments:
        inputs: `features` [batch, height / 4, width / 4, 2 per_place], linear MMSE
            estimates of the encoder's; `weights` [batch, height / 4, width / 4,
            per_place], the factors 1 / (1 + no) in them, 0 where nothing was sent;
            `levels` [batch, height / 4, width / 4, 2], the mean of those that are not 0
            in the image, and their share at a place.

    Returns float32 [batch, height, width, channels + 1]: the image, about [-1, 1], and
    the log of the variance that its error has at a pixel, mean over the channels, in
    units of `expected_error`.
    """

    def __init__(
        self,
        channels: int,
        per_place: int,
        widths=(64, 128),
        depths=(3, 3),
        dtype: str = "float32",
        **kwargs,
    ):
        features = keras.Input((None, None, 2 * per_place))
        weights = keras.Input((None, None, per_place))
        levels = keras.Input((None, None, 2))
        embedding = _embed(levels, dtype)
        x = ops.concatenate([features, weights], axis=-1)
        x = conv(widths[1], 3, dtype)(x)
        x = _blocks(x, embedding, depths[1], dtype)
        x = _unfold(widths[0], 2, dtype)(x)
        x = _blocks(x, _twice(embedding), depths[0], dtype)
        found = _unfold(channels + 1, 4, "float32")(ops.silu(x))
        super().__init__([features, weights, levels], found, **kwargs)
        self.config = {
            "channels": channels,
            "per_place": per_place,
            "widths": list(widths),
            "depths": list(depths),
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}


@keras.saving.register_keras_serializable(package="link_sim")
class FlowNetwork(keras.Model):
    """The velocity of a flow from images that are too smooth to sharp ones.

    In units of the standard deviation of the error of the first.

    Args:
        channels: Of the images.
        widths: Channels at half and at quarter resolution.
        depths: Residual blocks at half resolution, on the way down and again up, and
            at quarter resolution.
        dtype: Policy of the convolutions.

    Call arguments:
        inputs: `image` [batch, height, width, channels] on the way, and `levels`
            [batch, 4]: the means of those of the decoder, the variance of its error,
            and the time between 0 and 1.

    Returns float32 [batch, height, width, channels], zero before training.
    """

    def __init__(
        self,
        channels: int,
        widths=(96, 128),
        depths=(2, 2),
        dtype: str = "float32",
        **kwargs,
    ):
        image, levels = keras.Input((None, None, channels)), keras.Input((4,))
        embedding = _embed(levels[:, None, None, :], dtype)
        x = conv(widths[0], 4, dtype, strides=2)(image)
        x = skip = _blocks(x, embedding, depths[0], dtype)
        x = conv(widths[1], 2, dtype, strides=2)(x)
        x = _blocks(x, embedding, depths[1], dtype)
        x = _unfold(widths[0], 2, dtype)(x) + skip
        x = _blocks(x, embedding, depths[0], dtype)
        last = _unfold(channels, 4, "float32", kernel_initializer="zeros")
        super().__init__([image, levels], last(ops.silu(x)), **kwargs)
        self.config = {
            "channels": channels,
            "widths": list(widths),
            "depths": list(depths),
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}


def _embed(levels, dtype: str):
    """What modulates the blocks, [batch, height, width, EMBEDDING], from the levels."""
    dense = keras.layers.Dense
    x = ops.log(ops.maximum(levels, 1e-4))
    x = ops.concatenate([x, ops.log(ops.maximum(1 - levels, 1e-4))], axis=-1)
    x = dense(EMBEDDING, "silu", dtype="float32")(x)
    return dense(EMBEDDING, "silu", dtype=dtype)(x)


def _twice(embedding):
    """Of each place for its 2 x 2 parts."""
    return keras.layers.UpSampling2D(2)(embedding)


def _blocks(x, embedding, number: int, dtype: str):
    for _ in range(number):
        x = _modulated_block(x, embedding, dtype)
    return x


def _modulated_block(x, embedding, dtype: str):
    """Two 3x3 convolutions, a scale and a shift of each channel between them.

    The second convolution starts at zero, so that a new block is the identity.
    """
    width = x.shape[-1]
    h = conv(width, 3, dtype)(ops.silu(x))
    modulation = _modulation(2 * width, embedding, dtype)
    scale, shift = ops.split(modulation, 2, axis=-1)
    h = ops.silu(h * (1 + scale) + shift)
    return x + conv(width, 3, dtype, kernel_initializer="zeros")(h)


def _modulation(width: int, embedding, dtype: str):
    """A number for each channel, [batch, height, width, channels]."""
    return keras.layers.Dense(width, dtype=dtype)(embedding)


def _unfold(width: int, size: int, dtype: str, **options):
    """A transposed convolution to twice the height and width."""
    return keras.layers.Conv2DTranspose(
        width, size, strides=2, padding="same", dtype=dtype, **options
    )


def largest_ratio(per_place: int, channels: int) -> float:
    """Channel uses a value of an image, at most."""
    return per_place / (FOLD**2 * channels)


def expected_error(levels, largest: float):
    """About the variance of a decoded image's error, [batch], for sides of 2.

    The mean over the places of .25 / (1 + 100 b), where b bits a value is what the
    channel carries: a rule that fits small images, and by which training weighs its
    examples.

    levels : of each place, as a decoder is told. largest : `largest_ratio` of it
    """
    snr = levels[..., 0] / ops.maximum(1 - levels[..., 0], 1e-6)
    bits = largest * levels[..., 1] * ops.log2(1 + snr)
    return ops.mean(0.25 / (1 + 100 * bits), axis=(1, 2))


def error_variance(log_variance, expected):
    """Variance of the error of whole images, [batch], at most 1.

    log_variance : of each pixel as a decoder states it, [batch, height, width]
    expected : `expected_error`
    """
    return ops.minimum(expected * ops.mean(ops.exp(log_variance), axis=(1, 2)), 1.0)


def starting_noise(scale):
    """Standard deviation of the noise that a flow starts with, half of `scale`."""
    return 0.5 * scale


def of_places(blocks):
    """Values of blocks for each of their places, [batch, height, width]."""
    return ops.repeat(ops.repeat(blocks, BLOCK, axis=1), BLOCK, axis=2)


def levels_of(level, shares):
    """What networks are told of each place, [batch, height, width, 2].

    level : one for the image, [batch]. shares : of places, [batch or 1, height, width]
    """
    level = level[:, None, None]
    return ops.stack([level + 0 * shares, 0 * level + shares], axis=-1)


def place_ranks(height: int, width: int) -> np.ndarray:
    """In which order places send, [height, width]: any beginning covers the image."""
    places = np.arange(height * width)
    return np.argsort(np.argsort(places * 0.6180339887498949 % 1)).reshape(
        height, width
    )


def sent_mask(shares, per_place: int):
    """1 for the first numbers of a place, and 0 for the others.

    shares : of its numbers that each place sends, [batch, height, width]; numbers that
    are no whole are rounded so that they hold on average over neighbours. Returns
    float32 [batch, height, width, per_place].
    """
    height, width = shares.shape[1:]
    ranks = place_ranks(height, width)[..., None]
    order = ranks + height * width * np.arange(per_place)
    counts = ops.round(shares * order.size)[..., None]
    return ops.cast(ops.convert_to_tensor(order, "float32")[None] < counts, "float32")
