"""Building blocks that the networks share."""

import math

import keras
from keras import ops


def space_to_depth(x, block: int = 2):
    """Folds `block` x `block` pixels into channels: half the height and width."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height // block, block, width // block, block, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    shape = (-1, height // block, width // block, block**2 * channels)
    return ops.reshape(x, shape)


def depth_to_space(x, block: int = 2):
    """The inverse of `space_to_depth`."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height, width, block, block, channels // block**2))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    shape = (-1, height * block, width * block, channels // block**2)
    return ops.reshape(x, shape)


def fourier_features(level, num_features: int = 32):
    """Cosines and sines of `level` [batch, 1] at geometric frequencies 0.5 to 32."""
    half = num_features // 2
    octaves = ops.arange(half, dtype="float32") * (6 / (half - 1)) - 1
    angle = 2 * math.pi * ops.cast(level, "float32") * 2.0**octaves
    return ops.concatenate([ops.cos(angle), ops.sin(angle)], axis=-1)


def residual_block(x, embedding, dtype: str):
    """Two 3x3 convolutions around a shift computed from `embedding`.

    The second convolution starts at zero, so that a new block is the identity.
    """
    width = x.shape[-1]
    h = conv(width, 3, dtype)(ops.silu(x))
    shift = keras.layers.Dense(width, dtype=dtype)(embedding)
    h = ops.silu(h + shift[:, None, None, :])
    return x + conv(width, 3, dtype, kernel_initializer="zeros")(h)


def conv(width: int, size: int, dtype: str, **options):
    """A convolution that keeps height and width."""
    return keras.layers.Conv2D(width, size, padding="same", dtype=dtype, **options)
