"""Channel estimation by linear MMSE over time, frequency and antennas."""

import keras
import numpy as np
import tensorflow as tf
from sionna.phy.ofdm import (
    RemoveNulledSubcarriers,
)

from link_sim.receivers.estimation.data_aided import FieldPrior, field_prior
from link_sim.receivers.estimation.soundings import lattices
from link_sim.receivers.grid_config import (
    array_from_config,
    array_to_config,
    grid_from_config,
    grid_to_config,
)
from link_sim.receivers.layer import ReceiverLayer

ROUNDING = 1e-8
"""Noise over the largest eigenvalue that is assumed at least: covariances in single
precision hold no more."""
UNKNOWN = 2.0**-24
"""Of the channel's energy, which covariances in single precision do not tell."""


@keras.saving.register_keras_serializable("link_sim")
class LMMSEChannelEstimator(ReceiverLayer):
    """Linear MMSE channel estimates over time, frequency and receive antennas.

    With the channel modelled as zero-mean with covariance C = C_t x C_f x C_s, and
    pilots on a lattice (some OFDM symbols times some subcarriers, one stream each),

        h_hat = C_hp (C_pp + no_p I)^-1 h_ls,  err_var = diag(C - C_hp (...)^-1 C_ph)

    (Kay 1993, Fundamentals of Statistical Signal Processing I, eq. 12.20). C_pp is
    diagonalised axis by axis once, so that any `no` costs one scaling. Where the noise
    is less than single covariances hold, the estimate assumes more, and the variance is
    that of such an estimate under `no`. Covariances that are no such product, as with a
    line of sight beside scattered paths, cost most where there is little noise: there
    least squares can be better.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, with one transmitter
    cov_time : [symbols, symbols], complex, E[h h^H] with the channel's mean energy on
        its diagonal
    cov_freq : [subcarriers, subcarriers], of the effective ones, and cov_space :
        [receive antennas, receive antennas]; complex, with mean diagonal 1
    powers : of the streams' channels over that in cov_time, 1 if not given

    Input
    -----
    y : [batch, 1, receive antennas, symbols, fft_size], complex
    no : scalar or [batch], noise variance per complex dimension

    Output
    ------
    h_hat : [batch, 1, receive antennas, 1, streams, symbols, subcarriers], complex
    err_var : [batch or 1, 1, receive antennas, 1, streams, symbols, subcarriers], float

    Raises `ValueError` if the pilots of a stream do not form a lattice.
    """

    def __init__(
        self, resource_grid, cov_time, cov_freq, cov_space, powers=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.resource_grid = resource_grid
        self.covariances = cov_time, cov_freq, cov_space
        self._remove_nulled = RemoveNulledSubcarriers(resource_grid, precision="single")
        antennas = np.arange(len(cov_space))
        self._streams = []
        found = lattices(resource_grid)
        self.powers = np.ones(len(found)) if powers is None else np.asarray(powers)
        for (times, carriers, pilots), power in zip(found, self.powers, strict=True):
            covs = power * np.asarray(cov_time), cov_freq, cov_space
            axes = zip(covs, (times, carriers, antennas), strict=True)
            values, into, back = zip(*(_axis(*axis) for axis in axes), strict=True)
            values = np.einsum("t,f,s->tfs", *values)
            prior = np.einsum("t,f,s->tfs", *(np.diag(c).real for c in covs))
            self._streams.append((times, carriers, pilots, values, into, back, prior))

    def call(self, y, no):
        y = tf.transpose(self._remove_nulled(y)[:, 0], [0, 2, 3, 1])
        no = tf.reshape(tf.cast(no, tf.float32), [-1, 1, 1, 1])
        estimates = [self._stream(y, no, *stream) for stream in self._streams]
        h_hat, err_var = (tf.stack(parts, 1) for parts in zip(*estimates, strict=True))
        order = [0, 4, 1, 2, 3]  # [batch, antenna, stream, symbol, subcarrier]
        h_hat, err_var = (tf.transpose(z, order) for z in (h_hat, err_var))
        return h_hat[:, None, :, None], err_var[:, None, :, None]

    def prior(self, y, no, err_var) -> FieldPrior:
        """The channels as they are taken to be distributed, whatever is received."""
        time, frequency, antennas = (
            [z[None] for z in np.linalg.eigh(np.asarray(c, "complex128"))]
            for c in self.covariances
        )
        energies = tf.constant(self.powers[None, :, None], tf.float32)
        energies = tf.tile(energies, [tf.shape(y)[0], 1, 1])
        return field_prior(antennas, time, frequency, energies)

    def get_config(self):
        names = "cov_time", "cov_freq", "cov_space"
        arrays = [array_to_config(np.asarray(c)) for c in self.covariances]
        rest = {
            "resource_grid": grid_to_config(self.resource_grid),
            "powers": self.powers.tolist(),
        }
        return super().get_config() | rest | dict(zip(names, arrays, strict=True))

    @classmethod
    def from_config(cls, config):
        arrays = {key: array_from_config(config[key]) for key in config if "cov" in key}
        grid = grid_from_config(config["resource_grid"])
        return cls(**{**config, **arrays, "resource_grid": grid})

    def _stream(self, y, no, times, carriers, pilots, values, into, back, prior):
        """Estimates [batch, symbol, subcarrier, antenna] of one stream from such y."""
        h_ls = tf.gather(tf.gather(y, times, axis=1), carriers, axis=2)
        h_ls = h_ls / pilots[..., None]
        no = no / np.mean(np.abs(pilots) ** 2).astype("float32")
        no = tf.cast(no, tf.float64)
        assumed = tf.maximum(no, ROUNDING * values.max())
        gain = 1 / (values + assumed)
        x = _separable(h_ls, into) * tf.cast(gain, tf.complex64)
        loads = [np.abs(matrix) ** 2 for matrix in back]
        missed = prior - _separable(gain * (2 - gain * values), loads)
        err_var = tf.maximum(missed, UNKNOWN * prior) + no * _separable(gain**2, loads)
        return _separable(x, back), tf.cast(err_var, tf.float32)


def _axis(cov, pilots):
    """Eigenvalues of C_pp, and the maps U^H and C_hp U, along one axis."""
    cov = np.asarray(cov, "complex128")
    values, vectors = np.linalg.eigh(cov[np.ix_(pilots, pilots)])
    into, back = vectors.conj().T, cov[:, pilots] @ vectors
    return np.maximum(values, 0), into, back


def _separable(x, maps):
    """Applies one matrix along each of the axes 1, 2, 3."""
    for axis, matrix in enumerate(maps, 1):
        x = tf.tensordot(x, tf.cast(matrix, x.dtype), [[axis], [1]])
        order = [0, 1, 2]
        order.insert(axis, 3)
        x = tf.transpose(x, order)
    return x
