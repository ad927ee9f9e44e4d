import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.models.quantiser import best_step, converter_share, gaussian_error
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.converters import (
    branches,
    controlled,
    image_share,
    imbalanced,
)
from link_sim.world.hardware.impairments import Impairments
from link_sim.world.hardware.oscillators import (
    SPECTRA,
    Oscillator,
    intercarrier_share,
)
from link_sim.world.hardware.waveforms import Waveform

MAX_1960 = {
    1: 0.3634, 2: 0.1188, 3: 0.03744, 4: 0.01154,
    5: 0.003495, 6: 10**-2.983, 7: 10**-3.517, 8: 10**-4.057,
}  # fmt: skip
"""Least error of uniform quantisers of N(0, 1), b bits; from 6 on Hui and Neuhoff."""
QPSK = np.exp(1j * np.pi * (np.arange(4) / 2 + 0.25))
MMWAVE = Grid(fft_size=64, symbols=14, subcarrier_spacing=120e3, cyclic_prefix=4)


def gaussian(*shape, seed=1):
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return tf.constant((parts[0] + 1j * parts[1]) / np.sqrt(2), tf.complex64)


@pytest.mark.parametrize("bits", MAX_1960)
def test_the_distortion_of_converters_is_that_of_max(bits):
    # the published table has rounding in its fourth digit
    assert gaussian_error(bits, best_step(bits)) == pytest.approx(
        MAX_1960[bits], rel=4e-3
    )


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_converted_samples_have_that_distortion_uncorrelated(bits):
    y = gaussian(1, 1, 1, 40, 2500)
    rest = (controlled(y, bits) - y).numpy()
    share = converter_share(bits)
    assert abs(np.vdot(y, rest)) / 1e5 < 4 * np.sqrt(share / 1e5)
    assert np.mean(np.abs(rest) ** 2) == pytest.approx(share, rel=0.03)


def test_one_bit_has_the_arcsine_law():
    """Gain sqrt(2 / pi), so a share of pi / 2 - 1 (Bussgang 1952)."""
    assert converter_share(1) == pytest.approx(np.pi / 2 - 1, rel=1e-6)


@pytest.mark.parametrize("imbalance", [(1.0, 0.0), (0.5, 5.0), (0.0, 10.0)])
def test_the_image_is_rejected_as_the_formula_says(imbalance):
    gain, phase = 10 ** (imbalance[0] / 20), np.radians(imbalance[1])
    turned = gain * np.exp(1j * phase)
    expected = abs(1 - turned) ** 2 / abs(1 + turned) ** 2
    assert image_share(imbalance) == pytest.approx(expected, rel=1e-9)
    n = np.arange(64)
    tone = tf.constant(np.exp(2j * np.pi * 5 * n / 64), tf.complex64)
    lines = np.abs(np.fft.fft(imbalanced(tone, imbalance))) ** 2
    assert lines[-5] / lines[5] == pytest.approx(expected, rel=1e-4)
    assert sum(abs(z) ** 2 for z in branches(imbalance)) == pytest.approx(1)


def test_spectra_have_the_values_of_their_formula():
    """32 dB in the middle at 1 Hz: (1 + 1)^-1 of it, but for zeros far away."""
    at = SPECTRA["tr38803-30ghz"].density(np.array([1.0]))
    assert at[0] == pytest.approx(10**3.2 / 2, rel=1e-3)
    double = SPECTRA["tr38803-30ghz"].density(np.array([1.0]), 59.1e9)
    assert double[0] == pytest.approx(4 * at[0])


@pytest.mark.parametrize(
    ("name", "expected_db"), [("tr38803-30ghz", -28.6), ("tr38803-45ghz", -23.3)]
)
def test_what_spreads_is_about_the_spectrum_beyond_half_a_spacing(name, expected_db):
    """Both sides of 60 kHz to 61.44 MHz, 1,024 subcarriers of 120 kHz."""
    grid = Grid(fft_size=1024, subcarrier_spacing=120e3)
    f = np.geomspace(60e3, 61.44e6, 10_000)
    beyond = 2 * np.trapezoid(SPECTRA[name].density(f), f)
    assert 10 * np.log10(beyond) == pytest.approx(expected_db, abs=0.1)
    share = intercarrier_share(grid, SPECTRA[name])
    assert share == pytest.approx(beyond, rel=0.1)


@pytest.mark.parametrize("name", SPECTRA)
def test_the_phase_has_the_variance_of_its_spectrum(name):
    """Within symbols, as the integral over 1 - sinc^2 has it; 14 x 400 of them."""
    config.seed = 3
    phase = Oscillator(MMWAVE, SPECTRA[name])(400).numpy()
    within = np.mean((phase - phase.mean(axis=-1, keepdims=True)) ** 2, axis=(1, 2))
    expected = intercarrier_share(MMWAVE, SPECTRA[name])
    error = within.std() / np.sqrt(400)
    assert abs(within.mean() - expected) < 4 * error + 0.02 * expected
    np.testing.assert_allclose(phase.mean(axis=(1, 2)), 0, atol=1e-4)


def test_a_carrier_offset_turns_symbols_and_spreads_carriers():
    """On the carrier itself sinc(f T) stays, 4 % of 120 kHz: 1 - sinc^2 = .0052."""
    offset = 0.04 * 120e3
    phase = Oscillator(MMWAVE, offset=offset)(1).numpy()[0]
    turn = 2 * np.pi * offset * 68 / (64 * 120e3)
    np.testing.assert_allclose(np.diff(phase.mean(axis=1)), turn, rtol=1e-4)
    kept = np.abs(np.exp(1j * phase).mean(axis=1)) ** 2
    np.testing.assert_allclose(1 - kept, 1 - np.sinc(0.04) ** 2, rtol=1e-2)


@pytest.mark.parametrize(("size", "oversampling"), [(32, 1), (32, 4), (33, 2), (33, 3)])
def test_waveforms_are_taken_back(size, oversampling):
    grid = Grid(fft_size=size, guard_carriers=(4, 3))
    wave = Waveform(grid, oversampling)
    x = np.zeros((3, 14, size), "complex64")
    x[..., wave.used] = np.random.default_rng(1).choice(QPSK, (3, 14, len(wave.used)))
    samples = wave.samples(tf.constant(x))
    assert np.mean(np.abs(samples) ** 2) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(wave.carriers(samples), x, atol=1e-5)
    # the lowest subcarrier in use is a tone of the right frequency
    tone = np.zeros((1, size), "complex64")
    tone[0, wave.used[0]] = 1
    first, second = wave.samples(tf.constant(tone))[0, :2]
    turned = np.angle(second / first)
    f = wave.used[0] - size // 2
    assert turned == pytest.approx(2 * np.pi * f / (size * oversampling), abs=1e-4)


CASES = {
    "amplifier": {"amplifier": "rapp"},
    "converters": {"converter_bits": 3},
    "one bit": {"converter_bits": 1},
    "sent": {"kappa_transmit": 0.02},
    "received": {"kappa_receive": 0.02},
    "imbalance": {"receive_iq": (1.0, 3.0)},
    "phase noise": {"phase_noise": "r1-163984"},
    "offset": {"carrier_offset": 5e3},
    "clock": {"sampling_offset": 200.0, "carrier_offset": 500.0},
    "sent converters": {"transmit_converter_bits": 3, "oversampling": 1},
    "sent, oversampled": {"transmit_converter_bits": 2, "amplifier": "rapp"},
}


@pytest.mark.parametrize("case", CASES)
def test_the_floor_of_the_error_is_what_receivers_are_told(case):
    """EVM of 200 grids over a flat channel without noise, symbols' phases undone."""
    hardware = Impairments(Hardware(**CASES[case]), MMWAVE, QPSK)
    used, rng = hardware.transmitter.wave.used, np.random.default_rng(4)
    x = np.zeros((200, 1, 1, 14, 64), "complex64")
    x[..., used] = rng.choice(QPSK, (200, 1, 1, 14, len(used)))
    h = hardware.seen(tf.ones([200, 1, 1, 1, 1, 14, 64], tf.complex64))
    config.seed = 6
    y = hardware.receive(hardware.send(tf.constant(x)) + 0.0, h)
    y, x, h = (np.take(z, used, -1) for z in (y[:, 0, 0], x[:, 0, 0], h[:, 0, 0, 0, 0]))
    turn = np.mean((h * x).conj() * y, axis=-1, keepdims=True)
    turn /= np.abs(turn)
    error = np.mean(np.abs(y / turn - h * x) ** 2, axis=(1, 2))
    share = hardware.amplified_share + hardware.white_share
    stated = np.mean(np.abs(hardware.response[:, used]) ** 2 * share)
    h = tf.constant(h[:, None, None, None, None])
    stated += np.mean(hardware.received_variance(h, 0.0))
    # fitted to 56 symbols, the phase takes 1 / 112 of the error; what spreads over
    # subcarriers comes from 56 of 64 at least, and from all of the nearest
    spread = 4 * error.std() / np.sqrt(200) + 0.03 * stated
    least = 56 / 64 if case in ("phase noise", "offset", "clock") else 1
    assert least * stated - spread < error.mean() < stated + spread
