"""Linear precoders in closed form."""

import keras
from keras import ops

from link_sim.models.kronecker import as_complex
from link_sim.receivers.precoding.gram import (
    GramPrecoder,
    diagonal,
    directions,
    gram_inverse,
    hermitian,
)
from link_sim.receivers.precoding.precoder import Precoder


@keras.saving.register_keras_serializable("link_sim")
class MRT(Precoder):
    """Maximum ratio transmission: each user's own channel, equal powers.

    (Lo, "Maximum ratio transmission", IEEE TCOM 1999.) Optimal for one user.
    """

    def beams(self, h, no):
        energy = ops.sum(ops.square(ops.abs(h)), axis=-1)[:, None]
        return hermitian(h) * as_complex(ops.rsqrt(energy * h.shape[1]))

    def multiplications(self, users, antennas):
        return 4 * users * antennas


@keras.saving.register_keras_serializable("link_sim")
class ZF(GramPrecoder):
    """Zero forcing: no user hears another's beam.

    v = h^H (h h^H)^-1 with normalised columns (Spencer, Swindlehurst and Haardt, IEEE
    TSP 2004), and powers that are equal, or by water-filling the best that zero forcing
    has.

    Raises `ValueError` for more users than antennas.
    """

    def __init__(self, water_filling: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.water_filling = water_filling

    def check(self, users, antennas):
        if users > antennas:
            raise ValueError(
                f"zero forcing cannot separate {users} users with {antennas} antennas: "
                "use at most as many users as antennas, or RZF"
            )

    def mix(self, snr):
        inverse = gram_inverse(snr)
        gain = 1 / diagonal(inverse)  # of normalised beams
        equal = ops.ones_like(gain) / snr.shape[-1]
        power = water_filling(gain * snr.shape[-1]) if self.water_filling else equal
        return inverse * as_complex(ops.sqrt(power * gain)[:, None])

    def mixing(self, users):
        return users**3

    def get_config(self):
        return super().get_config() | {"water_filling": self.water_filling}


@keras.saving.register_keras_serializable("link_sim")
class RZF(GramPrecoder):
    """Regularised zero forcing, v = h^H (h h^H + users no I)^-1.

    (Peel, Hochwald and Swindlehurst, IEEE TCOM 2005, eq. 24.) `equal_power` normalises
    each column; without it only the total power is, which is the transmit Wiener filter
    (Joham, Utschick and Nossek, IEEE TSP 2005, eq. 42).
    """

    def __init__(self, equal_power: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.equal_power = equal_power

    def mix(self, snr):
        users = snr.shape[-1]
        if self.equal_power:
            beams = directions(snr, ops.ones_like(diagonal(snr)))
            return beams / users**0.5
        inverse = ops.linalg.inv(snr + ops.eye(users, dtype="complex64"))
        square = ops.sum(ops.square(ops.abs(inverse)), axis=(1, 2))
        power = ops.sum(diagonal(inverse), axis=1) - square  # of Y S Y = Y - Y Y
        return inverse * as_complex(ops.rsqrt(power)[:, None, None])

    def mixing(self, users):
        return users**3

    def get_config(self):
        return super().get_config() | {"equal_power": self.equal_power}


def water_filling(gain):
    """Powers of sum 1 that maximise sum log(1 + gain power): [batch, channels].

    Cover and Thomas 2006, eq. 9.64: power = max(level - 1 / gain, 0).
    """
    cost = ops.sort(1 / gain, axis=-1)
    number = ops.arange(1, gain.shape[-1] + 1, dtype="float32")
    levels = (1 + ops.cumsum(cost, axis=-1)) / number
    used = ops.maximum(ops.sum(ops.cast(levels > cost, "int32"), axis=-1), 1)
    level = ops.take_along_axis(levels, used[:, None] - 1, axis=-1)
    return ops.maximum(level - 1 / gain, 0.0)
