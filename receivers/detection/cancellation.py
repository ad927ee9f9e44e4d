"""How much of an amplifier's distortion decisions of a given quality take away."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.elements import as_complex

GRIDS = 4
"""That the measurement is over."""
LEVELS_DB = np.arange(-4, 41, 2)
"""Es/N0 of the decisions [dB]."""
NODES = 65


class Residual:
    """The distortion of decisions, scaled, and the variance of what it leaves.

    For decisions x' of white noise at a range of levels, beta is the regression of the
    distortion e(x) on e(x'), and the rest is over the energy of e(x); both are looked
    up by the lack of energy of the decisions, q = 1 - mean |x'|^2.

    Parameters
    ----------
    transmitter : a `LinkContext` with hardware
    demapper : QAMDemapper

    Input
    -----
    x : decisions, [batch, 1, streams, data symbols]; x_rg : their grids

    Output
    ------
    e : distortion to take away, like `x_rg`
    share : variance of the rest, [batch, subcarriers in use]
    """

    def __init__(self, transmitter, demapper):
        self._hardware = transmitter.hardware
        shape = GRIDS, 1, *self._shape(transmitter.resource_grid)
        bits = demapper.num_bits_per_symbol
        rng = np.random.default_rng(1)
        certain = rng.choice([-100.0, 100.0], (*shape[:-1], shape[-1] * bits))
        x = demapper.soft_symbols(tf.constant(certain, tf.float32))
        e = self._distortion(transmitter.place(x))
        noise = rng.standard_normal((2, *x.shape))
        noise = tf.constant((noise[0] + 1j * noise[1]) / np.sqrt(2), tf.complex64)
        rows = [(0.0, 1.0, 0.0)]
        for no in 10.0 ** (-LEVELS_DB / 10):
            llr = demapper(x + np.complex64(np.sqrt(no)) * noise, np.float32(no))
            soft = demapper.soft_symbols(llr)
            made = self._distortion(transmitter.place(soft))
            beta = np.vdot(made, e).real / max(np.vdot(made, made).real, 1e-30)
            rest = np.mean(np.abs(e - beta * made) ** 2) / np.mean(np.abs(e) ** 2)
            rows.append((float(lack(soft)[0]), beta, rest))
        q, beta, rest = np.array(sorted(rows)).T
        root = np.linspace(0, 1, NODES)
        self._beta, self._rest = (
            tf.constant(np.interp(root, np.sqrt(np.maximum(q, 0)), z), tf.float32)
            for z in (beta, rest)
        )

    def __call__(self, x, x_rg):
        place = tf.sqrt(tf.clip_by_value(lack(x), 0.0, 1.0)) * (NODES - 1)
        low = tf.minimum(tf.cast(place, tf.int32), NODES - 2)
        over = place - tf.cast(low, tf.float32)
        beta, rest = (
            tf.gather(z, low) * (1 - over) + tf.gather(z, low + 1) * over
            for z in (self._beta, self._rest)
        )
        share = rest[:, None] * self._hardware.amplified_share
        e = self._hardware.distortion_of(x_rg)
        e *= as_complex(beta)[:, None, None, None, None]
        return e, share + self._hardware.white_share

    def _distortion(self, x_rg):
        return np.asarray(self._hardware.distortion_of(x_rg))

    @staticmethod
    def _shape(grid) -> tuple[int, int]:
        return int(grid.num_streams_per_tx), int(grid.num_data_symbols)


def lack(x):
    """1 - mean |x|^2 of each row of the batch."""
    return 1 - tf.reduce_mean(tf.abs(x) ** 2, axis=[1, 2, 3])
