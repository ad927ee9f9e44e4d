"""What the hardware of a scenario does to waveforms, in a few numbers."""

import numpy as np
import tensorflow as tf
from sionna.phy.mapping import Constellation

from link_sim.metrics.waveforms import aclr_db, papr_db
from link_sim.world.hardware.amplifiers import saturation
from link_sim.world.hardware.impairments import Impairments

GRIDS = 16
"""That waveforms are made of."""


def describe(scenario) -> dict[str, float]:
    """EVM, ACLR, PAPR and output back-off of a scenario with hardware, all in dB.

    EVM: of what is sent and, without noise, of what is received over a channel of unit
    gain, as energies of distortion over those of the linear part. ACLR: over channels
    as wide as the used subcarriers, a grid's bandwidth apart, of windows of OFDM
    symbols: without the sidelobes that a filter has to take from these. PAPR: that 1 %
    of OFDM symbols exceed. Output back-off: of the mean output below the largest.
    What there is not, is left out.
    """
    hardware, grid = scenario.hardware, scenario.grid
    points = Constellation("qam", scenario.code.bits_per_symbol).points.numpy()
    impairments = Impairments(hardware, grid, points)
    used = impairments.transmitter.wave.used
    h = tf.ones([1, 1, 1, 1, 1, 1, len(used)], tf.complex64)
    sent = np.mean(impairments.amplified_share + impairments.white_share)
    received = np.mean(impairments.received_variance(h, 0.0))
    found = {"EVM sent": _db(sent), "EVM received": _db(received)}
    if hardware.amplifier is not None:
        found |= _waveform(impairments.transmitter, grid, points)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _waveform(transmitter, grid, points) -> dict[str, float]:
    wave, rng = transmitter.wave, np.random.default_rng(1)
    x_rg = np.zeros((GRIDS, grid.symbols, grid.fft_size), "complex64")
    shape = GRIDS, grid.symbols, len(wave.used)
    x_rg[..., wave.used] = rng.choice(points, shape)
    windows = wave.samples(tf.constant(x_rg))
    sent = transmitter.sent(windows)
    mean = float(tf.reduce_mean(tf.abs(sent) ** 2))
    _, largest = saturation(transmitter.amplify)
    width = len(wave.used) / grid.fft_size / wave.oversampling
    flat = windows.numpy().reshape(-1, windows.shape[-1])
    found = {
        "PAPR before": papr_db(flat),
        "PAPR sent": papr_db(sent.numpy().reshape(flat.shape)),
        "output back-off": _db(largest**2 / mean),
    }
    if wave.oversampling >= 3:  # fewer samples do not hold the neighbours
        spectra = sent.numpy().reshape(flat.shape)
        found["ACLR"] = aclr_db(spectra, 1 / wave.oversampling, width)
    return found


def _db(ratio) -> float:
    return 10 * float(np.log10(ratio)) if ratio > 0 else -np.inf
