"""Pilots that share their resource elements with data."""

import numpy as np
import tensorflow as tf


class SuperimposedPilots:
    """Adds known symbols to those that carry data, and takes them off again.

        x = sqrt(1 - share) x_data + sqrt(share) p,   |p| = 1

    with p QPSK at random, of each stream its own. Elements with pilots of their own
    stay as they are. The energy of a symbol stays 1.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, of one transmitter
    share : of the energy of a symbol with data that goes into pilots, in (0, 1)

    `known` [streams, elements], complex: what is added, over the elements in use;
    `scale`, of what carries data
    """

    def __init__(self, resource_grid, share: float):
        pilots = np.asarray(resource_grid.pilot_pattern.mask)[0].astype(bool)
        turns = np.random.default_rng(3).integers(0, 4, pilots.shape) / 4 + 1 / 8
        known = np.where(pilots, 0, np.sqrt(share) * np.exp(2j * np.pi * turns))
        self.known = known.reshape(len(known), -1).astype("complex64")
        self.scale = float(np.sqrt(1 - share))
        carriers = np.asarray(resource_grid.effective_subcarrier_ind)
        self._place = np.full(resource_grid.fft_size, len(carriers))
        self._place[carriers] = np.arange(len(carriers))
        scales = np.where(pilots, 1, self.scale).astype("complex64")
        self._known, self._scales = known.astype("complex64"), scales

    def add(self, x_rg):
        """Grids [batch, 1, streams, symbols, fft_size] with these pilots."""
        scales, known = self._on_grid(self._scales), self._on_grid(self._known)
        return x_rg * scales + known

    def removed(self, y, h_hat):
        """What is received of data alone, and the channel that it sees.

        y [batch, 1, antennas, symbols, fft_size]; h_hat [batch, 1, antennas, 1,
        streams, symbols, subcarriers], or one that broadcasts to it
        """
        offset = tf.reduce_sum(h_hat[:, :, :, 0] * self._known, 3)
        return y - self._on_grid(offset), h_hat * self.scale

    def removed_elements(self, y, h):
        """The same over elements in use: y [batch, antennas, elements], h [batch,
        antennas, streams, elements]."""
        return y - tf.reduce_sum(h * self.known, 2), h * self.scale

    def _on_grid(self, z):
        """Zero on the carriers that are not in use."""
        padding = [[0, 0]] * (len(z.shape) - 1) + [[0, 1]]
        return tf.gather(tf.pad(z, padding), self._place, axis=-1)
