"""A network for channels over a plane of antennas that looks at directions as well."""

import keras
import numpy as np
from keras import ops

from link_sim.models.layers import conv, fourier_features, residual_block

MARGIN = 1.06
"""Wavenumbers up to so much of the visible ones."""


@keras.saving.register_keras_serializable(package="link_sim")
class Directions(keras.layers.Layer):
    """Fields over a square plane as functions of the wavenumber, or the way back.

    Both ways in turn are close to the projection on what waves from afar can be:
    `side` wavenumbers along each axis share the visible range.

    Args:
        side: Antennas along each axis.
        spacing: Of the antennas [wavelengths].
        back: Whether from wavenumbers to antennas.

    Call arguments:
        x: [batch, side, side, 2 fields], real parts, then imaginary parts.
    """

    def __init__(self, side: int, spacing: float, back: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.side, self.spacing, self.back = side, spacing, back
        place, width = np.arange(side) - (side - 1) / 2, 2 * MARGIN * spacing
        turns = np.exp(-2j * np.pi * np.outer(place, place) * width / side)
        turns *= np.sqrt(width / side)
        turns = turns.conj() if back else turns
        rows = [[turns.real, turns.imag], [-turns.imag, turns.real]]
        self.turns = np.block(rows).astype("float32")  # [2 side in, 2 side out]

    def call(self, x):
        side, fields = self.side, x.shape[-1] // 2
        x = ops.reshape(x, (-1, side, side, 2, fields))
        for axes in ((0, 1, 4, 3, 2), (0, 4, 2, 3, 1)):
            x = ops.reshape(ops.transpose(x, axes), (-1, 2 * side))
            x = ops.reshape(ops.matmul(x, self.turns), (-1, side, fields, 2, side))
        # [batch, columns, fields, part, rows]
        x = ops.transpose(x, (0, 4, 1, 3, 2))
        return ops.reshape(x, (-1, side, side, 2 * fields))

    def get_config(self):
        config = {"side": self.side, "spacing": self.spacing, "back": self.back}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="link_sim")
class PlaneNetwork(keras.Model):
    """Convolutions over antennas and over directions in turn.

    Args:
        side: Antennas along each axis of the plane.
        spacing: Of the antennas [wavelengths].
        width: Channels of all convolutions, even.
        pairs: Residual blocks over directions, each before one over antennas.

    Call arguments:
        inputs: `image` [batch, side, side, 2], real and imaginary part of a field, and
            `level` [batch, 1].

    Returns float32 [batch, side, side, 2], zero before training.
    """

    def __init__(self, side, spacing, width=32, pairs=3, **kwargs):
        image, level = keras.Input((side, side, 2)), keras.Input((1,))
        there, back = (Directions(side, spacing, way) for way in (False, True))
        dense = keras.layers.Dense
        embedding = ops.silu(dense(2 * width, "silu")(fourier_features(level)))
        x = conv(width, 3, "float32")(image)
        x = x + back(conv(width, 3, "float32")(there(image)))
        for _ in range(pairs):
            seen = there(x)
            x = x + back(residual_block(seen, embedding, "float32") - seen)
            x = residual_block(x, embedding, "float32")
        last = conv(2, 3, "float32", kernel_initializer="zeros")
        super().__init__([image, level], last(ops.silu(x)), **kwargs)
        self.config = {"side": side, "spacing": spacing}
        self.config |= {"width": width, "pairs": pairs}

    def get_config(self):
        return {**self.config, "name": self.name}
