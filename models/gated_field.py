"""A denoiser of complex fields that turns its estimate with its observation.

Two streams run side by side over a cyclic grid, here of angles and delays. Complex
features are only mixed linearly and scaled by real gates; real features see their
magnitudes, the noise level and the condition, and set the gates. So a field times
exp(1j phi) has the estimate times exp(1j phi), exactly, for every phi.
"""

import keras
import numpy as np
from keras import ops

from link_sim.models.layers import fourier_features

SIGMA_DATA = 2**-0.5
"""Standard deviation of fields of power one, per real dimension."""
OCTAVES = -2, -1, 0, 1, 2
"""Of the waves over places, in turns per 100 m."""
KERNEL = 3


def _wrapped(x):
    """The neighbours across the edges of a cyclic grid added around it."""
    for axis in (1, 2):
        first = ops.take(x, [0], axis)
        last = ops.take(x, [x.shape[axis] - 1], axis)
        x = ops.concatenate([last, x, first], axis)
    return x


@keras.saving.register_keras_serializable(package="link_sim")
class ComplexMixing(keras.layers.Layer):
    """A cyclic convolution of complex features, real parts before imaginary parts.

    Args:
        width: Complex features that come out.
        size: Of the kernel, 1 or 3.
        zero: Whether the kernel starts at zero.

    Call arguments:
        z: [batch, rows, columns, 2 features].
    """

    def __init__(self, width: int, size: int = KERNEL, zero: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.width, self.size, self.zero = width, size, zero

    def build(self, shape):
        inputs = shape[-1] // 2
        scale = 0.0 if self.zero else (2 * inputs * self.size**2) ** -0.5
        self.kernel = self.add_weight(
            shape=(2, self.size, self.size, inputs, self.width),
            initializer=keras.initializers.RandomNormal(stddev=scale),
        )

    def call(self, z):
        real, imag = self.kernel[0], self.kernel[1]
        rows = ops.concatenate([real, imag], -1), ops.concatenate([-imag, real], -1)
        z = _wrapped(z) if self.size > 1 else z
        return ops.conv(z, ops.concatenate(rows, -2), padding="valid")

    def get_config(self):
        own = {"width": self.width, "size": self.size, "zero": self.zero}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="link_sim")
class PlaceFeatures(keras.layers.Layer):
    """Waves over a place in the plane, and over its direction from the origin.

    Call arguments:
        condition: [batch, 4]: place x and y [100 m], 1 where it is known, and 1 in
            line of sight, -1 out of it, 0 where that is not known.

    Returns [batch, 42]; those of the place are 0 where it is not known.
    """

    def call(self, condition):
        x, y, known, sight = ops.split(condition, 4, axis=-1)
        distance = ops.sqrt(x**2 + y**2 + 1e-4)
        where = ops.concatenate([x, y, x / distance, y / distance], axis=-1)
        turns = ops.concatenate([where * 2.0**octave for octave in OCTAVES], axis=-1)
        waves = [ops.cos(2 * np.pi * turns), ops.sin(2 * np.pi * turns)]
        return ops.concatenate([known * ops.concatenate(waves, -1), known, sight], -1)


@keras.saving.register_keras_serializable(package="link_sim")
class GridMap(keras.layers.Layer):
    """Features of each place of the grid: learned ones, and ones along either axis
    that an embedding [batch, any] gives. Returns [batch, rows, columns, 3 features]."""

    def __init__(self, rows: int, columns: int, features: int, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.columns, self.features = rows, columns, features
        self.along = [keras.layers.Dense(n * features) for n in (rows, columns)]

    def build(self, shape):
        self.own = self.add_weight(
            shape=(self.rows, self.columns, self.features), initializer="zeros"
        )
        for dense in self.along:
            dense.build(shape)

    def call(self, embedding):
        shape = self.rows, self.columns, self.features
        first, second = (dense(embedding) for dense in self.along)
        first = ops.reshape(first, (-1, self.rows, 1, self.features))
        second = ops.reshape(second, (-1, 1, self.columns, self.features))
        whole = (ops.shape(embedding)[0], *shape)
        parts = (ops.broadcast_to(z, whole) for z in (first, second, self.own))
        return ops.concatenate([*parts], axis=-1)

    def get_config(self):
        own = {"rows": self.rows, "columns": self.columns, "features": self.features}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="link_sim")
class GatedField(keras.Model):
    """Fields of power one over a cyclic grid, and the error of their estimate.

    Args:
        grid: Rows and columns.
        width, complex_width: Real and complex features.
        blocks: Each has a 3x3 convolution of either kind.

    Call arguments:
        inputs: `x` [batch, rows, columns, 2], a field in noise; `sigma` [batch, 1, 1,
            1] of the noise; `condition` [batch, 4] of `PlaceFeatures`.

    Returns float32 [batch, rows, columns, 3]: the mean of the field and, everywhere the
    same, the mean of its squared error per complex element. Before training they are
    those of white Gaussian fields.
    """

    def __init__(self, grid, width=48, complex_width=24, blocks=6, **kwargs):
        x, sigma = keras.Input((*grid, 2)), keras.Input((1, 1, 1))
        condition = keras.Input((4,))
        dense = keras.layers.Dense
        level = fourier_features(ops.reshape(ops.log(sigma) / 4, (-1, 1)))
        embedding = ops.concatenate([level, PlaceFeatures()(condition)], axis=-1)
        embedding = ops.silu(dense(64)(dense(64, "silu")(embedding)))

        power = ops.sum(x**2, axis=-1, keepdims=True) / (2 * sigma**2)
        soft = x / (sigma * ops.sqrt(2 + 2 * power))
        scaled = x / ops.sqrt(sigma**2 + SIGMA_DATA**2)
        z = ComplexMixing(complex_width, 1)(_complex(scaled, soft))
        r = [ops.log(1 + power), _magnitude(_complex(scaled, soft))]
        r = dense(width)(ops.concatenate([*r, GridMap(*grid, 8)(embedding)], axis=-1))
        for _ in range(blocks):
            seen = dense(width)(ops.concatenate([r, _magnitude(z)], axis=-1))
            whole = ops.concatenate([embedding, ops.mean(r, axis=(1, 2))], axis=-1)
            seen = ops.silu(seen + dense(width)(whole)[:, None, None])
            r = r + keras.layers.Conv2D(width, KERNEL)(_wrapped(seen))
            gate = dense(complex_width)(ops.silu(r))
            gated = z * ops.concatenate([gate, gate], axis=-1)
            z = z + ComplexMixing(complex_width, zero=True)(gated)
        share, doubt = ops.split(
            dense(2, kernel_initializer="zeros")(ops.silu(r)), 2, -1
        )
        odds = 2 * ops.log(SIGMA_DATA / sigma)
        mean = ops.sigmoid(odds + share) * x
        most = sigma * SIGMA_DATA / ops.sqrt(sigma**2 + SIGMA_DATA**2)
        mean = mean + most * ComplexMixing(1, 1, zero=True)(z)
        variance = 2 * sigma**2 * ops.sigmoid(odds + doubt)
        variance = ops.mean(variance, axis=(1, 2), keepdims=True)
        variance = variance * ops.ones_like(x[..., :1])
        super().__init__(
            [x, sigma, condition], ops.concatenate([mean, variance], -1), **kwargs
        )
        self.config = {"grid": list(grid), "width": width}
        self.config |= {"complex_width": complex_width, "blocks": blocks}

    def posterior(self, x, sigma, condition):
        """Mean [batch, rows, columns, 2], and mean squared error, [batch]."""
        estimate = self([x, sigma, condition])
        return estimate[..., :2], estimate[:, 0, 0, 2]

    def get_config(self):
        return {**self.config, "name": self.name}


def _complex(*fields):
    """Fields [..., 2] side by side, real parts before imaginary parts."""
    parts = [z[..., part, None] for part in (0, 1) for z in fields]
    return ops.concatenate(parts, axis=-1)


def _magnitude(z):
    real, imag = ops.split(z, 2, axis=-1)
    return ops.sqrt(real**2 + imag**2 + 1e-6)
