"""Symbols that a code spreads over several data places, and their LMMSE estimates."""

import keras
import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.equalization import LMMSEEqualizer


def spreading_codes(users: int, length: int) -> np.ndarray:
    """A code of `length` chips of energy 1 for each user, complex64 [users, length].

    Columns of a Fourier matrix: orthogonal if `length` is `users`, and else, for fewer
    chips, of the least sum of squared correlations (Welch, "Lower bounds on the maximum
    cross correlation of signals", 1974, with k = 1).
    """
    turns = np.outer(np.arange(users), np.arange(length)) / users
    return np.exp(2j * np.pi * turns).astype("complex64")


@keras.saving.register_keras_serializable("link_sim")
class SpreadEqualizer(LMMSEEqualizer):
    """Unbiased linear MMSE estimates of symbols that are spread over data places.

    A symbol of a stream is sent in as many data places in a row as its code has chips,
    times them. All antennas and chips of all streams are taken together, so that codes
    and channels together tell the streams apart.

    Parameters
    ----------
    resource_grid : as of `LMMSEEqualizer`
    codes : [streams, chips], complex

    Input
    -----
    As of `LMMSEEqualizer`.

    Output
    ------
    x_hat, no_eff : [batch, 1, streams, data symbols // chips]; places that are left at
        the end of the grid carry nothing
    """

    def __init__(self, resource_grid, codes, **kwargs):
        super().__init__(resource_grid, **kwargs)
        self.codes = np.asarray(codes, "complex64")

    def _statistics(self, y, h_hat, err_var, no):
        gram, matched = super()._statistics(y, h_hat, err_var, no)
        codes = self.codes
        gram = [
            [self._sum(g, codes[i].conj() * codes[j]) for j, g in enumerate(row)]
            for i, row in enumerate(gram)
        ]
        return gram, [self._sum(m, codes[i].conj()) for i, m in enumerate(matched)]

    def _sum(self, z, weights):
        """Of each group of data places, [batch, groups]."""
        chips = len(weights)
        groups = len(self._elements.data) // chips
        z = super()._take_data(z)[:, : groups * chips]
        return tf.reduce_sum(tf.reshape(z, [-1, groups, chips]) * weights, -1)

    def _take_data(self, z):
        return z

    def get_config(self):
        parts = np.stack([self.codes.real, self.codes.imag]).tolist()
        return super().get_config() | {"codes": parts}

    @classmethod
    def from_config(cls, config):
        real, imag = np.asarray(config["codes"])
        return super().from_config({**config, "codes": real + 1j * imag})
