import numpy as np
import pytest

from link_sim.metrics.waveforms import aclr_db, evm_db, papr_db


def normal(*shape, seed=1):
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) / np.sqrt(2)


def test_the_error_vector_has_the_energy_of_the_noise():
    x = normal(100_000)
    found = evm_db(x, x + 0.1 * normal(100_000, seed=2))
    assert found == pytest.approx(-20, abs=0.1)  # 4 / sqrt(1e5) is .06 dB


def test_the_peak_of_independent_samples_is_that_of_their_maximum():
    """P(max of n exponentials > t) is 1 % at t = -ln(1 - .99^(1/n))."""
    expected = 10 * np.log10(-np.log(1 - 0.99 ** (1 / 64)))
    assert papr_db(normal(40_000, 64)) == pytest.approx(expected, abs=0.15)
    assert papr_db(np.exp(1j * np.arange(64))[None]) == pytest.approx(0, abs=1e-9)


def test_leakage_is_the_power_next_to_the_channel():
    spectrum = np.zeros(4096, complex)
    f = np.fft.fftfreq(4096)
    rng = np.random.default_rng(1)
    phases = np.exp(2j * np.pi * rng.random(4096))
    spectrum[np.abs(f) < 0.1] = 1
    spectrum[np.abs(f - 0.25) < 0.1] = 10 ** (-40 / 20)
    spectrum[np.abs(f + 0.25) < 0.1] = 10 ** (-50 / 20)
    x = np.fft.ifft(spectrum * phases)[None]
    assert aclr_db(x, 0.25, 0.18) == pytest.approx(40, abs=1)


def test_neighbours_beyond_the_sampling_rate_are_refused():
    with pytest.raises(ValueError, match="oversample more"):
        aclr_db(normal(1, 2048), 0.5, 0.4)
