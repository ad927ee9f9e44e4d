"""What the hardware of the receiver makes of grids."""

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.clocks import Clock
from link_sim.world.hardware.converters import controlled, imbalanced
from link_sim.world.hardware.oscillators import SPECTRA, Oscillator


class ReceiveHardware:
    """Oscillator, IQ imbalance, clock and converters of all antennas alike, in turn.

    A window of the receiver has no more bandwidth than the grid, its noise with it.

    Parameters
    ----------
    hardware, grid : sections of a scenario

    Input
    -----
    y : [batch, 1, antennas, symbols, fft_size], complex64, with noise
    h : [batch, 1, antennas, 1, streams, symbols, fft_size], over which it came

    Output
    ------
    : like y
    """

    def __init__(self, hardware: Hardware, grid: Grid):
        self.hardware, self._size = hardware, grid.fft_size
        self._oscillator, self.clock = None, None
        if hardware.sampling_offset:
            self.clock = Clock(grid, hardware.sampling_offset * 1e-6)
        if hardware.phase_noise or hardware.carrier_offset:
            spectrum = SPECTRA.get(hardware.phase_noise or "")
            self._oscillator = Oscillator(
                grid, spectrum, hardware.oscillator_frequency, hardware.carrier_offset
            )

    def __call__(self, y, h):
        if self.hardware.kappa_receive:
            y += distortion(self.hardware.kappa_receive * received_energy(h))
        if self.linear:
            return y
        scale = np.sqrt(self._size)
        if self.clock is not None:
            samples = self.clock(y)
        else:
            samples = tf.signal.ifft(tf.signal.ifftshift(y, axes=-1)) * scale
        if self._oscillator is not None:
            phase = self._oscillator(tf.shape(y)[0])[:, None, None]
            samples *= tf.complex(tf.cos(phase), tf.sin(phase))
        samples = imbalanced(samples, self.hardware.receive_iq)
        if self.hardware.converter_bits is not None:
            samples = controlled(samples, self.hardware.converter_bits)
        return tf.signal.fftshift(tf.signal.fft(samples / scale), axes=-1)

    @property
    def linear(self) -> bool:
        """Whether samples are taken as they come."""
        parts = self.hardware.converter_bits, self._oscillator, self.clock
        return parts == (None, None, None) and not any(self.hardware.receive_iq)


def received_energy(h):
    """Of all streams, at each antenna and resource element, for symbols of energy 1."""
    return tf.reduce_sum(tf.abs(h[:, :, :, 0]) ** 2, axis=3)


def distortion(variance):
    """Complex white Gaussian noise of a variance for each element."""
    std = tf.sqrt(variance / 2)
    real, imag = (std * config.tf_rng.normal(tf.shape(std)) for _ in range(2))
    return tf.complex(real, imag)
