"""What the hardware of the transmitter makes of grids, and its linear part."""

import numpy as np
import tensorflow as tf

from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.amplifiers import find_amplifier
from link_sim.world.hardware.converters import convert, imbalanced
from link_sim.world.hardware.predistortion import Predistorter
from link_sim.world.hardware.waveforms import Waveform

SAMPLES, FEWEST_ROWS, MOST_ROWS = 2**19, 256, 4096
"""That averages are over, in at least and at most so many OFDM symbols."""


class TransmitHardware:
    """Converters, IQ imbalance and amplifier of each antenna: grids in, grids out.

    By Bussgang's theorem what is sent of Gaussian-like grids x is g_k x_k + d_k on each
    subcarrier k, with d uncorrelated with x. The mean energy of what is sent on used
    subcarriers, distortion included, is 1 as before.

    Parameters
    ----------
    hardware, grid : sections of a scenario
    alphabet : points of the symbols, complex [number], of energy 1

    Input
    -----
    x_rg : [..., symbols, fft_size], complex64, of energy 1 on used subcarriers

    Output
    ------
    : the same, as sent

    gain : g, complex64 [fft_size]; distortion : E|d_k|^2, float32 [fft_size]

    Raises `ValueError` for an amplifier that remembers more than the cyclic prefix.
    """

    def __init__(self, hardware: Hardware, grid: Grid, alphabet: np.ndarray):
        self.hardware, self.grid = hardware, grid
        spreads = hardware.amplifier or hardware.transmit_converter_bits
        self.wave = Waveform(grid, hardware.oversampling if spreads else 1)
        self._scale, self._drive, self.amplifier = 1.0, 1.0, None
        self.predistorter = None
        if hardware.amplifier is not None:
            self.amplifier = find_amplifier(hardware.amplifier)
            back_off = 10 ** (-hardware.back_off_db / 10)
            self._drive = float(np.sqrt(self.amplifier.reference * back_off))
            self._refuse_long_memory()
        self.gain = np.zeros(grid.fft_size, "complex64")
        self.gain[self.wave.used] = 1
        self.distortion = np.zeros(grid.fft_size, "float32")
        if not self.linear:
            self._measure(self._typical(alphabet))

    def _measure(self, x):
        """Fits the predistorter, the scale and the linear part to typical grids."""
        if self.hardware.predistortion:
            self.predistorter = Predistorter(self.amplify, self.wave.samples(x))
        y = self(x)
        used = tf.gather(y, self.wave.used, axis=-1)
        self._scale = float(tf.reduce_mean(tf.abs(used) ** 2).numpy() ** -0.5)
        y *= self._scale
        self.gain, self.distortion = bussgang(x, y)

    @property
    def linear(self) -> bool:
        """Whether grids are sent as they are."""
        parts = self.hardware.transmit_converter_bits, self.amplifier
        return parts == (None, None) and not any(self.hardware.transmit_iq)

    def __call__(self, x_rg):
        if self.linear:
            return x_rg
        return self._scale * self.wave.carriers(self.sent(self.wave.samples(x_rg)))

    def sent(self, samples):
        """Samples of mean power 1 as they leave the antenna."""
        if self.predistorter is not None:
            samples = self.predistorter(samples)
        if self.hardware.transmit_converter_bits is not None:
            samples = convert(samples, self.hardware.transmit_converter_bits, 0.5**0.5)
        return self.amplify(imbalanced(samples, self.hardware.transmit_iq))

    def amplify(self, samples):
        """Samples of mean power 1 through the amplifier at its back-off."""
        if self.amplifier is None:
            return samples
        return self.amplifier.response(self._drive * samples) / self._drive

    def _typical(self, alphabet: np.ndarray):
        """Grids of symbols at random: [rows, fft_size]."""
        size = self.grid.fft_size * self.wave.oversampling
        rows = int(np.clip(SAMPLES // size, FEWEST_ROWS, MOST_ROWS))
        rng = np.random.default_rng(1)
        x = np.zeros((rows, self.grid.fft_size), "complex64")
        x[:, self.wave.used] = rng.choice(alphabet, (rows, len(self.wave.used)))
        return tf.constant(x)

    def _refuse_long_memory(self):
        prefix = self.grid.cyclic_prefix * self.wave.oversampling
        if self.amplifier.memory > prefix:
            name = getattr(self.hardware.amplifier, "path", self.hardware.amplifier)
            raise ValueError(
                f"the amplifier {name} remembers {self.amplifier.memory} samples, and "
                f"the cyclic prefix has {prefix}: raise grid.cyclic_prefix"
            )


def bussgang(x, y) -> tuple[np.ndarray, np.ndarray]:
    """g and E|y - g x|^2 of each subcarrier, over rows; where x is 0, g is.

    x, y : [rows, subcarriers], complex
    """
    x, y = (np.asarray(z, "complex128") for z in (x, y))
    energy = np.mean(np.abs(x) ** 2, axis=0)
    gain = np.mean(x.conj() * y, axis=0) / np.where(energy > 0, energy, 1)
    rest = np.mean(np.abs(y - gain * x) ** 2, axis=0)
    return gain.astype("complex64"), rest.astype("float32")
