"""Short coded blocks over flat channels of a few paths, both arrays uniform lines."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.decoding.convolutional import ConvolutionalCode
from link_sim.world.ensembles import fourier_pilots

INTERLEAVER = 0
"""Seed of the order in which symbols are sent, the same in all blocks."""
SECTOR = 60.0
"""Angles are uniform between minus and plus this [degrees]."""
DECAY = 2.0
"""Paths in which the mean power falls by e."""


class BlockSender:
    """QPSK symbols of a convolutional code on some streams, after orthogonal pilots.

    streams, uses, pilots : of a block; pilots are columns of a DFT matrix

    A `BlockContext`.
    """

    def __init__(self, streams: int, uses: int, pilots: int):
        self.streams, self.uses = streams, uses - pilots
        symbols = streams * self.uses
        self.code = ConvolutionalCode(symbols - 6)
        self.n, self.k = self.code.n, self.code.k
        self.pilots = fourier_pilots(1, streams)[0, :, :pilots]
        self._order = np.random.default_rng(INTERLEAVER).permutation(symbols)
        self._back = np.argsort(self._order)

    def symbols(self, c):
        """Blocks [batch, streams, pilots + uses] of coded bits, complex64 NumPy."""
        bits = self.grid_llr(c).numpy()
        x = (1 - 2 * bits) @ np.array([1, 1j]) / np.sqrt(2)
        pilots = np.broadcast_to(self.pilots, (len(x), *self.pilots.shape))
        return np.concatenate([pilots, np.swapaxes(x, 1, 2)], 2).astype("complex64")

    def grid_llr(self, llr):
        """LLRs [batch, n] in the order sent: [batch, uses, streams, 2]."""
        pairs = tf.gather(
            tf.reshape(llr, [-1, len(self._order), 2]), self._order, axis=1
        )
        return tf.reshape(pairs, [-1, self.uses, self.streams, 2])

    def demodulate(self, llr):
        """The inverse of `grid_llr`."""
        pairs = tf.reshape(llr, [-1, len(self._order), 2])
        return tf.reshape(tf.gather(pairs, self._back, axis=1), [-1, self.n])


def path_channels(rng, size: int, receive: int, transmit: int, paths: tuple[int, int]):
    """Channels of fewest to most paths, and the covariances of their angles.

        H = sum_l alpha_l a(theta_l) a(phi_l)^T,  |alpha_l|^2 ~ exp(-l / 2), of sum 1

    with phases at random and half-wavelength arrays.

    Returns h, complex64 [size, receive, transmit] of mean power 1, and covariances of
    vec(H) row by row, complex128 [size, receive * transmit, receive * transmit].
    """
    most = paths[1]
    number = rng.integers(paths[0], most + 1, (size, 1))
    power = np.exp(-np.arange(most) / DECAY) * (np.arange(most) < number)
    power /= power.sum(axis=1, keepdims=True)
    angles = np.radians(rng.uniform(-SECTOR, SECTOR, (2, size, 1, most)))
    ends = [
        np.exp(1j * np.pi * np.arange(n)[:, None] * np.sin(angle))
        for n, angle in zip((receive, transmit), angles, strict=True)
    ]
    alpha = np.sqrt(power) * np.exp(2j * np.pi * rng.random((size, most)))
    h = (ends[0] * alpha[:, None]) @ np.swapaxes(ends[1], 1, 2)
    atoms = (ends[0][:, :, None] * ends[1][:, None]).reshape(size, -1, most)
    covariance = (atoms * power[:, None]) @ np.conj(np.swapaxes(atoms, 1, 2))
    return h.astype("complex64"), covariance
