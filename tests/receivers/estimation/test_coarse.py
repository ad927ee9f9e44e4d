"""Estimators behind converters against what is exact without, and at one bit."""

import numpy as np
import pytest

from link_sim.receivers.estimation import coarse, mimo_baselines

RECEIVE, TRANSMIT, SIZE = 8, 4, 200


def covariance(antennas, decay):
    gap = np.abs(np.subtract.outer(np.arange(antennas), np.arange(antennas)))
    return np.broadcast_to(decay**gap + 0j, (SIZE, antennas, antennas))


ENDS = covariance(RECEIVE, 0.9), covariance(TRANSMIT, 0.5)


def normal(rng, *shape):
    parts = rng.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) / np.sqrt(2)


def observe(bits, no=0.1, ends=ENDS):
    """Channels, levels of them, and pilots."""
    rng = np.random.default_rng(1)
    left, right = (np.linalg.cholesky(c) for c in ends)
    h = left @ normal(rng, SIZE, RECEIVE, TRANSMIT) @ np.swapaxes(right, -1, -2)
    n = np.arange(TRANSMIT)
    pilots = np.exp(1j * np.pi * (n[:, None] ** 2 - 2 * np.outer(n, n)) / TRANSMIT) / 2
    pilots = np.broadcast_to(pilots, (SIZE, TRANSMIT, TRANSMIT))
    y = h @ pilots + np.sqrt(no) * normal(rng, SIZE, RECEIVE, TRANSMIT)
    convert = coarse.converter(bits, no)
    return h, y, convert(y.real) + 1j * convert(y.imag), pilots


def error(h, h_hat):
    return np.mean(np.abs(h - h_hat) ** 2)


@pytest.mark.parametrize("estimator", [coarse.bussgang, coarse.genie])
@pytest.mark.parametrize("no", [0.01, 1.0])
def test_many_bits_give_the_linear_estimate(estimator, no):
    _, y, levels, pilots = observe(10, no)
    exact, variance = mimo_baselines.genie(y, pilots, no, *ENDS)
    h_hat, err_var = estimator(10, levels, pilots, no, *ENDS)
    assert error(exact, h_hat) < 1e-3 * np.mean(variance)
    assert np.mean(err_var) == pytest.approx(np.mean(variance), rel=0.02)


@pytest.mark.parametrize("bits", [1, 3])
def test_independent_antennas_have_the_exact_posterior_mean(bits):
    """Each real part by itself: E h | cell by sums over a fine grid."""
    no = 0.3
    white = tuple(np.broadcast_to(np.eye(n) + 0j, (SIZE, n, n)) for n in (8, 4))
    h, _, levels, pilots = observe(bits, no, white)
    h_hat, err_var = coarse.genie(bits, levels, pilots, no, *white)
    x = np.linspace(-8, 8, 100_001)
    level, weight = coarse.converter(bits, no)(x), np.exp(-(x**2) / (1 + no))
    known = {
        v: np.average(x[level == v], weights=weight[level == v]) for v in set(level)
    }
    table = np.array(sorted(known)), np.array([known[v] for v in sorted(known)])
    z = (np.interp(levels.real, *table) + 1j * np.interp(levels.imag, *table)) / (
        1 + no
    )
    exact = z @ np.conj(np.swapaxes(pilots, -1, -2))
    assert error(exact, h_hat) < 1e-6
    # 6,400 errors, exponential but for their bounds: four standard errors
    err_var = np.mean(err_var) / coarse.excess(bits, no)  # there is none here
    assert error(h, h_hat) == pytest.approx(err_var, rel=4 / 6400**0.5)


@pytest.mark.parametrize("bits", [1, 2])
def test_cells_tell_more_than_their_linear_part(bits):
    h, _, levels, pilots = observe(bits, 0.03)
    linear, linear_err = coarse.bussgang(bits, levels, pilots, 0.03, *ENDS)
    h_hat, err_var = coarse.genie(bits, levels, pilots, 0.03, *ENDS)
    assert error(h, h_hat) < 0.96 * error(h, linear)
    if bits > 1:  # of one bit, distortion is not white
        assert error(h, linear) == pytest.approx(np.mean(linear_err), rel=0.2)
    assert error(h, h_hat) == pytest.approx(np.mean(err_var), rel=0.2)


def test_messages_that_run_away_are_not_kept():
    _, _, levels, pilots = observe(1)
    exact, calls = mimo_baselines.wiener(*ENDS), []

    def denoise(x, variance):
        calls.append(1)
        h_hat, err_var = exact(x, variance)
        first_half = (np.arange(SIZE) < SIZE // 2)[:, None, None]
        return np.where(first_half & (len(calls) > 1), -h_hat, h_hat), err_var

    h_hat, _ = coarse.message_passing(denoise, 1, levels, pilots, 0.1)
    kept, _ = coarse.around(exact, 1, levels, pilots, 0.1)
    half = SIZE // 2
    assert np.array_equal(h_hat[:half], kept[:half])
    assert not np.any(np.all(h_hat[half:] == kept[half:], axis=(1, 2)))
