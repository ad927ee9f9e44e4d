"""Oscillators: phase noise of a given spectrum, and what it does to OFDM."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.sections import Grid

LONGER = 8
"""Times the length of a grid that a period of the noise has: what changes more slowly
is left to synchronisation."""


class Spectrum(NamedTuple):
    """Power spectral density of phase noise, that of 3GPP's pole-zero models.

    PSD(f) = level prod(1 + (f / zero)^exponent) / prod(1 + (f / pole)^exponent), in
    rad^2 / Hz, the same on both sides of the carrier.

    level : [dB]; zeros, poles : pairs of a frequency [Hz] and its exponent; carrier :
        [Hz], to which it belongs
    """

    level: float
    zeros: tuple[tuple[float, float], ...]
    poles: tuple[tuple[float, float], ...]
    carrier: float

    def density(self, frequency: np.ndarray, carrier: float | None = None):
        """At offsets from another carrier, scaled by 20 log10 of their ratio."""
        f = np.abs(frequency)[..., None]
        up, down = (
            np.prod(1 + (f / np.array(at)[:, 0]) ** np.array(at)[:, 1], axis=-1)
            for at in (self.zeros, self.poles)
        )
        ratio = 1.0 if carrier is None else carrier / self.carrier
        return 10 ** (self.level / 10) * ratio**2 * up / down


SPECTRA = {
    "tr38803-30ghz": Spectrum(
        32,
        ((3e3, 2.37), (550e3, 2.7), (280e6, 2.53)),
        ((1, 3.3), (1.6e6, 3.3), (30e6, 1)),
        29.55e9,
    ),
    "tr38803-45ghz": Spectrum(
        35.65,
        ((3e3, 2.37), (451e3, 2.7), (458e6, 2.53)),
        ((1, 3.3), (1.54e6, 3.3), (30e6, 1)),
        45e9,
    ),
    "r1-163984": Spectrum(
        -70,
        ((0.02e6, 2), (6e6, 2), (10e6, 2)),
        ((0.005e6, 2), (0.4e6, 2), (0.6e6, 2)),
        60e9,
    ),
}
"""3GPP TR 38.803, section 6.1.10 (30 and 45 GHz), and R1-163984, set B."""


class Oscillator:
    """Draws the phase of a receiver over the windows of consecutive OFDM symbols.

    The phase is a Gaussian process of the given spectrum over a period of `LONGER`
    grids, less its mean over the grid, which is part of the channel; and that of a
    carrier offset, from the middle of the grid on.

    Parameters
    ----------
    grid : Grid of a scenario
    spectrum : Spectrum, or None
    carrier : that of the oscillator [Hz], None for the spectrum's own
    offset : of the carrier [Hz]

    Input
    -----
    batch_size : number of grids

    Output
    ------
    phase : [batch, symbols, fft_size], float [rad]
    """

    def __init__(self, grid: Grid, spectrum=None, carrier=None, offset: float = 0.0):
        self.bandwidth = grid.fft_size * grid.subcarrier_spacing
        length = grid.fft_size + grid.cyclic_prefix
        start = np.arange(grid.symbols)[:, None] * length + grid.cyclic_prefix
        self._window = start + np.arange(grid.fft_size)
        turns = self._window - self._window.mean()
        self._drift = (2 * np.pi * offset / self.bandwidth * turns).astype("float32")
        self._amplitude = None
        if spectrum is not None:
            period = LONGER * grid.symbols * length
            self._period = period + period % 2
            self._amplitude = self._amplitudes(spectrum, carrier)

    def _amplitudes(self, spectrum: Spectrum, carrier):
        """Of the spectral lines of a period, without the constant: [period / 2 + 1]."""
        step = self.bandwidth / self._period
        f = np.arange(1, self._period // 2 + 1) * step
        lines = np.sqrt(spectrum.density(f, carrier) * step / 2) * self._period
        return np.concatenate([[0.0], lines]).astype("float32")

    def __call__(self, batch_size):
        if self._amplitude is None:
            return tf.constant(self._drift)[None]
        shape = [batch_size, len(self._amplitude)]
        parts = (config.tf_rng.normal(shape) * self._amplitude for _ in range(2))
        phase = tf.signal.irfft(tf.complex(*parts), [self._period])
        phase = tf.gather(phase, self._window, axis=-1)
        phase -= tf.reduce_mean(phase, axis=[1, 2], keepdims=True)
        return phase + self._drift


def intercarrier_share(grid: Grid, spectrum: Spectrum, carrier=None) -> float:
    """Variance of the phase within an OFDM symbol, which it spreads over carriers.

    The mean phase of a symbol of length T turns all carriers alike; what is left is
    the integral of PSD(f) (1 - sinc^2(f T)) over the bandwidth.
    """
    half = grid.fft_size * grid.subcarrier_spacing / 2
    f = np.geomspace(half * 1e-6, half, 20_001)
    rest = 1 - np.sinc(f / grid.subcarrier_spacing) ** 2
    return float(2 * np.trapezoid(spectrum.density(f, carrier) * rest, f))


def phase_lines(grid: Grid, spectrum: Spectrum, carrier=None) -> np.ndarray:
    """Variances [rad^2] of the lines of the phase within an OFDM symbol: [fft_size].

    A subcarrier spacing apart, in the order of an FFT, the mean taken off; together
    `intercarrier_share`.
    """
    f = np.fft.fftfreq(grid.fft_size, 1 / (grid.fft_size * grid.subcarrier_spacing))
    lines = np.zeros(grid.fft_size)
    lines[1:] = spectrum.density(f[1:], carrier)
    return lines * intercarrier_share(grid, spectrum, carrier) / lines.sum()


def offset_share(grid: Grid, offset: float) -> float:
    """Energy that a carrier offset [Hz] spreads over other carriers: 1 - sinc^2."""
    return float(1 - np.sinc(offset / grid.subcarrier_spacing) ** 2)
