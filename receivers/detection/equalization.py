"""LMMSE equalisation of a MIMO-OFDM grid, all resource elements at once."""

import keras
import tensorflow as tf

from link_sim.receivers.detection.elements import GridElements, as_complex
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer

NOTHING = 1 - 2**-20
"""Relative error of a symbol of which nothing is heard: single precision says 1."""


@keras.saving.register_keras_serializable("link_sim")
class LMMSEEqualizer(ReceiverLayer):
    """Unbiased linear MMSE estimates of the symbols of one transmitter.

    With y = H x + n, and n of diagonal covariance S (noise, and the errors of the
    channel estimates summed over the streams), per resource element

        x_k = [A^-1 H^H S^-1 y]_k / (1 - c_k),  no_eff_k = c_k / (1 - c_k),
        A = I + H^H S^-1 H,                     c_k = [A^-1]_kk

    (Kay 1993, Fundamentals of Statistical Signal Processing I, eq. 12.27, for symbols
    of energy 1). Decides what `sionna.phy.ofdm.LMMSEEqualizer` decides, which factors a
    matrix of antennas for each resource element; here the few streams are eliminated
    one by one, each step over the whole grid.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, with one transmitter whose streams
        have their pilots in the same places

    Input
    -----
    y : [batch, 1, antennas, symbols, fft_size], complex64
    h_hat : [batch, 1, antennas, 1, streams, symbols, subcarriers], complex64
    err_var : broadcastable to `h_hat`, float, variance of its error
    no : scalar, [batch], [batch, 1] or [batch, 1, antennas], noise variance per complex
        dimension

    Output
    ------
    x_hat : [batch, 1, streams, data symbols], complex64
    no_eff : [batch, 1, streams, data symbols], float, its error's variance

    Raises `ValueError` for a grid of several transmitters or of unlike streams.
    """

    def __init__(self, resource_grid, **kwargs):
        super().__init__(**kwargs)
        self.resource_grid = resource_grid
        self._elements = GridElements(resource_grid)

    def call(self, y, h_hat, err_var, no):
        gram, matched = self._statistics(y, h_hat, err_var, no)
        x, c = _solve(gram, matched)
        c = tf.minimum(tf.stack(c, 1), NOTHING)
        x = tf.stack(x, 1) / as_complex(1 - c)
        x, no_eff = (self._take_data(z) for z in (x, c / (1 - c)))
        return x[:, None], no_eff[:, None]

    def _statistics(self, y, h_hat, err_var, no):
        """H^H S^-1 H, lower triangle, and H^H S^-1 y, as `_solve` takes them."""
        y, h, variance = self._elements.flatten(y, h_hat, err_var, no)
        h, weight = tf.unstack(h, axis=2), as_complex(1 / variance)
        weighted = [tf.math.conj(h_i) * weight for h_i in h]
        matched = [tf.reduce_sum(w * y, 1) for w in weighted]
        gram = [
            [tf.reduce_sum(w * h_j, 1) for h_j in h[: i + 1]]
            for i, w in enumerate(weighted)
        ]
        return gram, matched

    def _take_data(self, z):
        return tf.gather(z, self._elements.data, axis=-1)

    def get_config(self):
        grid = {"resource_grid": grid_to_config(self.resource_grid)}
        return super().get_config() | grid

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return cls(**{**config, "resource_grid": grid})


def _solve(gram, matched):
    """x = (I + gram)^-1 matched, and the real diagonal of the inverse.

    gram : lower triangle, a list of rows; matched : a list; of complex tensors
    By A = L D L^H with a unit triangle L (Golub and Van Loan 2013, sec. 4.1).
    """
    streams = range(len(matched))
    lower, pivot = [list(row) for row in gram], []
    inverse = [[None] * len(matched) for _ in streams]  # of L
    for j in streams:
        terms = (_energy(lower[j][k]) * pivot[k] for k in range(j))
        pivot.append(1 + tf.math.real(gram[j][j]) - sum(terms))
        for i in range(j + 1, len(matched)):
            terms = (
                lower[i][k] * tf.math.conj(lower[j][k]) * as_complex(pivot[k])
                for k in range(j)
            )
            lower[i][j] = (gram[i][j] - sum(terms)) / as_complex(pivot[j])
    for j in streams:
        for i in range(j + 1, len(matched)):
            terms = (lower[i][k] * inverse[k][j] for k in range(j + 1, i))
            inverse[i][j] = -lower[i][j] - sum(terms)
    z = [m + sum(inverse[i][k] * matched[k] for k in range(i))
         for i, m in enumerate(matched)]  # fmt: skip
    z = [z_i / as_complex(d) for z_i, d in zip(z, pivot, strict=True)]
    below = [range(k + 1, len(matched)) for k in streams]
    x = [z[k] + sum(tf.math.conj(inverse[i][k]) * z[i] for i in below[k])
         for k in streams]  # fmt: skip
    c = [1 / pivot[k] + sum(_energy(inverse[i][k]) / pivot[i] for i in below[k])
         for k in streams]  # fmt: skip
    return x, c


def _energy(z):
    return tf.math.real(z) ** 2 + tf.math.imag(z) ** 2
