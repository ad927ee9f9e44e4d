import json

import numpy as np
import pytest
import tensorflow as tf

from link_sim.scenarios.hardware import MEASURED, Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.amplifiers import (
    MEMORYLESS,
    clipped,
    compression_point,
    find_amplifier,
    measured,
    memory_polynomial,
)
from link_sim.world.hardware.transmission import TransmitHardware, bussgang

QPSK = np.exp(1j * np.pi * (np.arange(4) / 2 + 0.25))
NODES, WEIGHTS = np.polynomial.laguerre.laggauss(120)


def gaussian(*shape, seed=1):
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, *shape))
    return tf.constant((parts[0] + 1j * parts[1]) / np.sqrt(2), tf.complex64)


def closed_moments(curve, power):
    """Bussgang gain and output power for CN(0, power): integrals over |x|^2 / power."""
    gain, phase = (
        np.asarray(z) for z in curve(tf.constant(np.sqrt(power * NODES), tf.float32))
    )
    turned = gain * np.exp(1j * phase)
    return (WEIGHTS * NODES) @ turned, power * (WEIGHTS * NODES) @ gain**2


@pytest.mark.parametrize("name", MEMORYLESS)
@pytest.mark.parametrize("back_off_db", [0.0, 4.0])
def test_the_bussgang_gain_is_that_of_the_integral(name, back_off_db):
    amplifier = find_amplifier(name)
    power = amplifier.reference * 10 ** (-back_off_db / 10)
    x = gaussian(200_000) * np.float32(np.sqrt(power))
    y = amplifier.response(x)
    expected, energy = closed_moments(MEMORYLESS[name], power)
    gain, rest = bussgang(x[:, None], y[:, None])
    scale = abs(expected)
    # of 200,000 samples, whose distortion is a few per cent of the signal
    assert abs(gain[0] - expected) < 4 * np.sqrt(rest[0] / power / 2e5) + 1e-4 * scale
    distortion = energy - abs(expected) ** 2 * power
    assert rest[0] == pytest.approx(distortion, rel=0.03)


def test_saleh_has_its_published_curve():
    gain, phase = MEMORYLESS["saleh"](tf.constant([1.0]))
    assert float(gain[0]) == pytest.approx(2.1587 / 2.1517, rel=1e-6)
    assert float(phase[0]) == pytest.approx(4.0033 / 10.104, rel=1e-6)


def test_the_polynomial_has_its_published_values():
    """At 0 dBm: 27.35 dB and 79.16 degrees, the constant terms; flat below -35 dBm."""
    gain, phase = MEMORYLESS["3gpp-polynomial"](tf.constant([1.0, 1e-3, 1e-4]))
    assert 20 * np.log10(float(gain[0])) == pytest.approx(27.3535, abs=1e-3)
    assert np.degrees(float(phase[0])) == pytest.approx(79.1553, abs=1e-2)
    assert float(gain[1]) == pytest.approx(float(gain[2]))


def test_rapp_is_compressed_by_one_decibel_where_its_formula_says():
    """(1 + r^4)^(1/4) = 10^(1/20) at r^4 = 10^(1/5) - 1."""
    assert compression_point(MEMORYLESS["rapp"]) == pytest.approx(
        np.sqrt(10**0.2 - 1), rel=1e-3
    )


def test_a_memory_polynomial_is_the_sum_of_its_terms():
    rng = np.random.default_rng(2)
    taps = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    x = gaussian(50).numpy().astype(complex)
    for lag in (0, 1, -1):
        expected = sum(
            taps[m, k] * np.roll(x * np.roll(np.abs(x), lag) ** k, m)
            for m in range(3)
            for k in range(4)
        )
        found = memory_polynomial(
            *(tf.constant(z, tf.complex64) for z in (x, taps)), lag
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_clipping_keeps_phases():
    x = tf.constant([3 + 4j, 0.3 + 0.4j, 0], tf.complex64)
    np.testing.assert_allclose(clipped(x, 1.0), [0.6 + 0.8j, 0.3 + 0.4j, 0], atol=1e-6)


def test_measured_amplifiers_have_power_one_and_the_stated_fits():
    assert set(measured()) == set(MEASURED)
    nmse = {name: fit["nmse_db"] for name, fit in measured().items()}
    assert nmse["apa-200mhz"] < -30.5 and nmse["apa-200mhz-b"] < -36.5
    assert nmse["dpa-160mhz"] < -38 and nmse["dpa-200mhz"] < -30
    assert len(json.dumps(measured())) < 20_000
    for name in MEASURED:
        x = clipped(gaussian(4, 4096), 10.0)
        # as wide as the grids of the measurements: a quarter of the bandwidth
        x = tf.signal.fft(x) * np.repeat([1, 0, 1], [512, 3072, 512])
        x = tf.signal.ifft(x) * 2
        power = np.mean(np.abs(find_amplifier(name).response(x)) ** 2)
        assert power == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["rapp", "dpa-160mhz"])
def test_grids_are_sent_with_energy_one_and_uncorrelated_distortion(name):
    grid = Grid(fft_size=32, guard_carriers=(4, 3))
    sender = TransmitHardware(Hardware(amplifier=name), grid, QPSK)
    rng, used = np.random.default_rng(5), sender.wave.used
    x = np.zeros((2000, 32), "complex64")
    x[:, used] = rng.choice(QPSK, (2000, len(used)))
    y = sender(tf.constant(x)).numpy()
    assert np.mean(np.abs(y[:, used]) ** 2) == pytest.approx(1, abs=0.02)
    rest = y - sender.gain * x
    # correlation of 2,000 samples with those of another 4,096
    limit = 5 * np.sqrt(sender.distortion[used].max() * (1 / 2000 + 1 / 4096))
    assert np.abs(np.mean(x.conj() * rest, axis=0)).max() < limit
    ratio = np.mean(np.abs(rest[:, used]) ** 2) / sender.distortion[used].mean()
    assert ratio == pytest.approx(1, abs=0.1)


def test_a_deep_back_off_leaves_grids_as_they_are():
    grid = Grid(fft_size=32, guard_carriers=(4, 3))
    sender = TransmitHardware(Hardware(amplifier="rapp", back_off_db=40), grid, QPSK)
    np.testing.assert_allclose(sender.gain[sender.wave.used], 1, atol=1e-4)
    assert sender.distortion.max() < 1e-7


def test_more_memory_than_the_prefix_is_refused():
    grid = Grid(cyclic_prefix=2)
    with pytest.raises(ValueError, match="raise grid.cyclic_prefix"):
        TransmitHardware(Hardware(amplifier="apa-200mhz"), grid, QPSK)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apa-200mhz-b", "rapp"])
def test_predistortion_lowers_distortion(name):
    grid = Grid(fft_size=64)
    back_off = 6.0 if name == "rapp" else 0.0
    plain, inverted = (
        TransmitHardware(
            Hardware(amplifier=name, back_off_db=back_off, predistortion=on), grid, QPSK
        )
        for on in (False, True)
    )
    used = plain.wave.used
    ratio = inverted.distortion[used].mean() / plain.distortion[used].mean()
    assert ratio < 0.3


@pytest.mark.slow
def test_predistortion_that_diverges_is_not_taken():
    """Polynomials for `rapp` at 3 dB explode: their second fit doubles its error."""
    grid = Grid(fft_size=256)
    plain, inverted = (
        TransmitHardware(
            Hardware(amplifier="rapp", back_off_db=3, predistortion=on), grid, QPSK
        )
        for on in (False, True)
    )
    used = plain.wave.used
    assert inverted.distortion[used].mean() < plain.distortion[used].mean()
