"""Clocks of converters that run fast or slow, and what that does to OFDM."""

import numpy as np
import tensorflow as tf

from link_sim.scenarios.channel_file import used_carriers
from link_sim.scenarios.sections import Grid


class Clock:
    """Samples the windows of OFDM symbols at times that drift over a grid.

    Sample n of the window that begins at s is taken at n + d (s + n - c) of its
    samples, with d the offset and c the middle of the grid. That of subcarrier k turns
    by exp(2 pi i k (n (1 + d) + d (s - c)) / N), a chirp transform (Bluestein 1970).
    What subcarrier k keeps is known: a phase that drifts, and a Dirichlet kernel at
    k d. The rest spreads over other subcarriers.

    Parameters
    ----------
    grid : Grid of a scenario
    offset : of the sampling rate, over it

    Input
    -----
    y : [..., symbols, fft_size], complex64, subcarriers in ascending order

    Output
    ------
    : [..., symbols, fft_size], complex64, samples

    kept : complex64 [symbols, fft_size], of each subcarrier
    spread : energy of each that others get, float32 [subcarriers in use]
    """

    def __init__(self, grid: Grid, offset: float):
        size, self._size = grid.fft_size, grid.fft_size
        length = size + grid.cyclic_prefix
        start = np.arange(grid.symbols)[:, None] * length
        late = offset * (start - start.mean() - (size - 1) / 2)
        n, k = np.arange(size), np.arange(size) - size // 2
        chirp = np.exp(1j * np.pi * (1 + offset) * n**2 / size)
        kernel = np.zeros(2 * size, complex)
        kernel[:size] = chirp.conj()
        kernel[:-size:-1] = chirp[1:].conj()
        self._kernel = np.fft.fft(kernel).astype("complex64")
        self._before = (chirp * _turn(k * late, size)).astype("complex64")
        after = chirp * _turn(-(size // 2) * (1 + offset) * n, size) / np.sqrt(size)
        self._after = after.astype("complex64")
        dirichlet = np.sinc(k * offset) / np.sinc(k * offset / size)
        centred = _turn(k * (late + offset * (size - 1) / 2), size)
        self.kept = (dirichlet * centred).astype("complex64")
        used = used_carriers(grid) + size // 2
        self.spread = (1 - dirichlet[used] ** 2).astype("float32")

    def __call__(self, y):
        sides = [[0, 0]] * (y.shape.rank - 1) + [[0, self._size]]
        z = tf.signal.fft(tf.pad(y * self._before, sides)) * self._kernel
        return tf.signal.ifft(z)[..., : self._size] * self._after


def _turn(positions, size: int) -> np.ndarray:
    return np.exp(2j * np.pi * positions / size)
