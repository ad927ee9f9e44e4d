"""8-bit images: their levels, bits and LLRs, and bits that are certain."""

import numpy as np
from keras import ops

from link_sim.models.pixel_denoiser import BIT_WEIGHTS
from link_sim.receivers.layer import values_of


def image_from_levels(levels):
    """The image of 8-bit levels: uint8 0 to 255 -> float32 [0, 1]."""
    return ops.cast(levels, "float32") / 255


def bits_from_image(image):
    """The eight bits of each pixel, MSB first: [0, 1] -> {0., 1.}, [..., 8].

    In integers: of floats, TensorFlow's graph optimiser loses the rounding.
    """
    levels = ops.cast(ops.round(255 * ops.cast(image, "float32")), "int32")
    bits = levels[..., None] // 2 ** np.arange(7, -1, -1, dtype="int32") % 2
    return ops.cast(bits, "float32")


def image_from_bits(bits):
    """The image of bits, MSB first: {0, 1}, [..., 8] -> [0, 1]."""
    return ops.matmul(ops.cast(bits, "float32"), BIT_WEIGHTS)


def image_llr(inputs, image_shape):
    """LLRs [batch, *image_shape, 8] of an input that is such LLRs, or a hard image.

    Raises `ValueError` for another image size and, outside graphs, for NaN.
    """
    hard, values = len(inputs.shape) == 4, values_of(inputs)
    if values is not None and np.any(np.isnan(values)):
        raise ValueError("the LLRs contain NaN: check the blocks before the restorer")
    if hard and values is not None and np.any((values < 0) | (values > 1)):
        raise ValueError("image values must lie in [0, 1]: divide 8-bit images by 255")
    llr = 20.0 * (2 * bits_from_image(inputs) - 1) if hard else inputs
    if tuple(llr.shape[1:]) != (*image_shape, 8):
        size = "x".join(str(n) for n in inputs.shape[1:4])
        raise ValueError(
            f"the restorer was made for {'x'.join(map(str, image_shape))} images, not "
            f"{size}: choose a restorer for this size, or 'none'"
        )
    return llr


def certain_bits(llr):
    """Which bits are certain, such as those of a block whose CRC holds: llr = +-inf."""
    return ops.abs(llr) == np.inf


def keep_certain(image, llr):
    """Clips each pixel to the interval that its certain bits (llr = +-inf) allow."""
    low = ops.sum(ops.where(llr == np.inf, BIT_WEIGHTS, 0.0), axis=-1)
    high = 1 - ops.sum(ops.where(llr == -np.inf, BIT_WEIGHTS, 0.0), axis=-1)
    return ops.clip(image, low, high)
