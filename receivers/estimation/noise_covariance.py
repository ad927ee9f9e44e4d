"""Covariance of noise and interference over the receive antennas, from pilots."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.receivers.estimation.soundings import lattices

DROPPED = 1e-5
"""Share of a channel whose delays fill the cyclic prefix that counts as noise."""
SNAPSHOTS = 8
"""Of noise for each antenna, in a window of subcarriers with one covariance."""


class Colour(NamedTuple):
    """Covariances over `no`, by eigenvalues and eigenvectors.

    values : [batch, windows, antennas], float, 1 in directions without interference
    vectors : [batch, windows, antennas, antennas], complex
    """

    values: tf.Tensor
    vectors: tf.Tensor

    def power(self, exponent: float):
        """Powers of the covariances: [batch, windows, antennas, antennas]."""
        scaled = self.vectors * tf.cast(self.values**exponent, tf.complex64)[:, :, None]
        return tf.matmul(scaled, self.vectors, adjoint_b=True)


class NoiseCovariance:
    """Finds the covariance of what is not the channel, in the pilots of all streams.

    The least-squares estimates at the pilots of a stream and symbol are projected on
    the complement of channels whose delays lie within the cyclic prefix; what is left
    is noise and interference (later paths too, as in a real receiver), and its sample
    covariance is taken in windows of the band.
    With N snapshots of M antennas, an eigenvalue up to (1 + sqrt(M / N))^2 `no` is one
    of white noise and becomes `no`; one above is freed from what noise adds to it,

        l = (v + 1 - g + sqrt((v + 1 - g)^2 - 4 v)) / 2,  g = M / N

    over `no` (Donoho, Gavish and Johnstone, "Optimal shrinkage of eigenvalues in the
    spiked covariance model", Annals of Statistics 2018). So without interference the
    covariance is that of white noise, and nothing is lost.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, with one transmitter
    antennas : of the receiver

    Raises `ValueError` if pilots form no lattice, or leave too few snapshots.
    """

    def __init__(self, resource_grid, antennas: int):
        self._remove_nulled = RemoveNulledSubcarriers(resource_grid, precision="single")
        places = np.asarray(resource_grid.effective_subcarrier_ind)
        prefix = resource_grid.cyclic_prefix_length / resource_grid.fft_size
        self._antennas, self._used = antennas, len(places)
        self._streams = []
        carriers, snapshots = [], []
        for times, own, pilots in lattices(resource_grid):
            rest = _complement(places[own], prefix)
            turns = (pilots.conj() / np.abs(pilots)).astype("complex64")
            self._streams.append((times, own, turns, rest.astype("complex64")))
            carriers.append(own)
            snapshots.append(len(times) * np.diag(rest).real)
        self._carriers = np.concatenate(carriers)
        self._snapshots = np.concatenate(snapshots)
        total = self._snapshots.sum()
        if total < 2 * antennas:
            raise ValueError(
                f"the pilots leave {total:.0f} snapshots of interference, too few for "
                f"the covariance of {antennas} antennas: put pilots on more "
                "subcarriers (grid.pilot_spacing) or symbols (grid.pilot_symbols)"
            )
        self._windows = max(1, int(total / (SNAPSHOTS * antennas)))
        fft_bins = np.arange(resource_grid.fft_size)
        nearest = np.abs(fft_bins[:, None] - places).argmin(axis=1)
        self.of_carriers = self._window(np.arange(self._used), self._windows)
        self.of_bins = self.of_carriers[nearest]

    def whole_band(self, y, no) -> Colour:
        """One covariance for the band, of `y` as estimators take it."""
        return self._colour(y, no, 1)

    def in_windows(self, y, no) -> Colour:
        """Covariances of windows; `of_carriers` and `of_bins` say whose."""
        return self._colour(y, no, self._windows)

    def _window(self, carriers, windows: int):
        return carriers * windows // self._used

    def _colour(self, y, no, windows: int) -> Colour:
        mine = self._window(self._carriers, windows)[:, None] == np.arange(windows)
        number = self._snapshots @ mine  # of snapshots in each window
        rest = self._residuals(self._remove_nulled(y)[:, 0])
        weights = (mine / np.maximum(number, 1e-9)).astype("complex64")
        covariance = tf.stack(
            [
                tf.einsum("bmtk,bntk->bmn", rest * w, tf.math.conj(rest))
                for w in weights.T
            ],
            axis=1,
        )
        no = tf.reshape(tf.cast(no, tf.float32), [-1, 1, 1])
        values, vectors = tf.linalg.eigh(tf.stop_gradient(covariance))
        ratio = (self._antennas / np.maximum(number, 1e-9)).astype("float32")
        return Colour(_shrunk(tf.math.real(values) / no, ratio[:, None]), vectors)

    def _residuals(self, y):
        """[batch, antennas, pilot symbols, pilots of all streams], noise of `no`."""
        parts = []
        for times, own, turns, rest in self._streams:
            z = tf.gather(tf.gather(y, times, axis=2), own, axis=3) * turns
            parts.append(tf.einsum("bmtl,kl->bmtk", z, rest))
        return tf.concat(parts, axis=3)


def _complement(places: np.ndarray, longest: float) -> np.ndarray:
    """Projector off channels with delays from 0 to the longest, at such frequencies.

    Half of what the band resolves is added at both ends.
    """
    gaps = np.subtract.outer(places, places)
    width = longest + 1 / max(np.ptp(places), 1)
    kernel = np.sinc(gaps * width) * np.exp(-1j * np.pi * gaps * longest)
    values, vectors = np.linalg.eigh(kernel)
    dropped = np.cumsum(values) <= DROPPED * len(places)  # the smallest come first
    kept = vectors[:, dropped]
    return kept @ kept.conj().T


def _shrunk(values, ratio):
    """Eigenvalues over `no` without what noise adds; see `NoiseCovariance`."""
    above = values > (1 + np.sqrt(ratio)) ** 2
    half = (tf.where(above, values, (1 + np.sqrt(ratio)) ** 2) + 1 - ratio) / 2
    root = tf.sqrt(tf.maximum(half**2 - values, 0.0))
    return tf.where(above, half + root, 1.0)
