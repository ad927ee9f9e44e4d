"""All hardware of a link: what it does to grids, and what a receiver may know of it."""

import numpy as np
import tensorflow as tf

from link_sim.models.quantiser import converter_share
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.converters import branches, image_share
from link_sim.world.hardware.oscillators import (
    SPECTRA,
    offset_share,
    phase_lines,
)
from link_sim.world.hardware.reception import ReceiveHardware, distortion
from link_sim.world.hardware.transmission import TransmitHardware


class Impairments:
    """Hardware of both ends, and its description as a linear link with distortion.

    What is received is y = sum_m h_m (x_m + e_m) + w + n, with h the channel and the
    linear response of the hardware, e_m distortion of transmitter m and w that of the
    receiver, both uncorrelated with x (Bussgang).

    Parameters
    ----------
    hardware, grid : sections of a scenario
    alphabet : points of the symbols, complex [number], of energy 1

    Attributes
    ----------
    response : complex64 [1 or symbols, fft_size], of the hardware's linear part
    amplified_share : variance of what of e is a function of what is sent, and
    white_share : of the rest, float32 [subcarriers in use]
    turns : whether the phase of received symbols is random
    phase_lines : as `PhaseSmoother` takes them, None without phase noise
    """

    def __init__(self, hardware: Hardware, grid: Grid, alphabet: np.ndarray):
        self.hardware, self.grid = hardware, grid
        self.transmitter = TransmitHardware(hardware, grid, alphabet)
        self.receiver = ReceiveHardware(hardware, grid)
        mu, _ = branches(hardware.receive_iq)
        gain = self.transmitter.gain
        self.response = np.complex64(mu) * gain[None]
        used = self.transmitter.wave.used
        energy = np.abs(gain[used]) ** 2
        self.amplified_share = self.transmitter.distortion[used] / energy
        self.white_share = np.float32(hardware.kappa_transmit) / energy
        self.turns = bool(hardware.phase_noise or hardware.carrier_offset)
        self.phase_lines = None
        if hardware.phase_noise is not None:
            spectrum = SPECTRA[hardware.phase_noise]
            self.phase_lines = phase_lines(
                grid, spectrum, hardware.oscillator_frequency
            )
        self._drifted = np.zeros(len(used), "float32")
        if self.receiver.clock is not None:
            self.response = self.response * self.receiver.clock.kept
            self._drifted = self.receiver.clock.spread
        self._spread, self._quantised = self._receive_shares()

    def _receive_shares(self) -> tuple[float, float]:
        """What goes to other subcarriers, over the signal; of conversion, over all."""
        hardware, grid = self.hardware, self.grid
        spread = image_share(hardware.receive_iq)
        spread += offset_share(grid, hardware.carrier_offset)
        if self.phase_lines is not None:
            spread += float(self.phase_lines.sum())
        bits = hardware.converter_bits
        return spread, 0.0 if bits is None else converter_share(bits)

    def send(self, x_rg):
        """Grids as the antennas send them."""
        x = self.transmitter(x_rg)
        if self.hardware.kappa_transmit:
            used = np.zeros(self.grid.fft_size, "float32")
            used[self.transmitter.wave.used] = self.hardware.kappa_transmit
            x += distortion(tf.broadcast_to(used, tf.shape(x)))
        return x

    def receive(self, y, h):
        """Noisy grids as the receiver has them; h as in `ReceiveHardware`."""
        return self.receiver(y, h)

    def seen(self, h):
        """The channel with the linear part of the hardware, over all fft_size."""
        return h * tf.constant(self.response)

    def received_variance(self, h, no):
        """Variance of w, [batch, 1, antennas, symbols, subcarriers in use].

        h : [batch, 1, antennas, 1, streams, symbols, subcarriers in use]
        no : scalar, [batch], [batch, 1] or [batch, 1, antennas]
        """
        local = tf.reduce_sum(tf.abs(h[:, :, :, 0]) ** 2, axis=3)
        mean = tf.reduce_mean(local, axis=[3, 4], keepdims=True)
        no = tf.cast(no, tf.float32)
        no = tf.reshape(no, [-1, 1, no.shape[2] if no.shape.rank == 3 else 1, 1, 1])
        share = h.shape[-1] / self.grid.fft_size
        converted = self._quantised * (share * mean + no)
        spread = self._spread + self._drifted
        return spread * mean + converted + self.hardware.kappa_receive * local

    def distortion_of(self, x_rg):
        """What of e is a function of the grids, like them; 0 where nothing is sent."""
        gain = self.transmitter.gain
        inverse = np.divide(1, gain, out=np.zeros_like(gain), where=gain != 0)
        used = tf.constant((gain != 0).astype("complex64"))
        return (self.transmitter(x_rg) * inverse - x_rg) * used
