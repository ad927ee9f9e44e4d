"""Predictors of fading fields, against answers that are known."""

import numpy as np
import pytest
from scipy.special import j0

from link_sim.models.pretrained import load_model
from link_sim.receivers.estimation import prediction

SLOTS, DOPPLER, NO = 6, 0.05, 0.1
FREQUENCIES = np.arange(8) * 312.5e3


def noisy(rng, h, no):
    n = rng.standard_normal((2, *h.shape)) * np.sqrt(no / 2)
    return h + n[0] + 1j * n[1]


def walking(rng, number, paths, ahead):
    """Plane waves with Doppler shifts, their truth, and channels: slots, then ahead."""
    turns = rng.uniform(-0.5, 0.5, (number, paths, 2)) * [1, 0.5]
    shifts = DOPPLER * np.cos(2 * np.pi * rng.random((number, paths)))
    waves = [
        np.exp(2j * np.pi * turns[..., [i]] * np.arange(n))
        for i, n in enumerate((8, 8))
    ]
    gain = rng.standard_normal((2, number, paths)) / np.sqrt(2 * paths)
    gain = (gain[0] + 1j * gain[1])[..., None] * np.exp(
        2j * np.pi * shifts[..., None] * np.append(np.arange(SLOTS), SLOTS - 1 + ahead)
    )
    h = np.einsum("bpt,bpn,bpk->btnk", gain, *waves)
    return (np.full((number, paths), 1 / paths), waves, shifts), h[:, :-1], h[:, -1]


def test_modes_of_a_process_give_its_linear_mmse_estimate():
    rng, ahead = np.random.default_rng(0), 2
    space, frequency = np.diag([1.5, 0.5]).astype(complex), np.ones((3, 3), complex)
    y = noisy(rng, np.zeros((4, SLOTS, 2, 3), complex), 1.0)
    h_hat, err_var = prediction.linear(
        prediction.jakes, [(1.0, space, frequency)], y, NO, ahead, DOPPLER
    )
    t = np.arange(SLOTS)
    over = j0(2 * np.pi * DOPPLER * (t - t[:, None]))
    then = j0(2 * np.pi * DOPPLER * (SLOTS - 1 + ahead - t))
    c = np.kron(over, np.kron(space, frequency)) + NO * np.eye(SLOTS * 6)
    gain = np.kron(then, np.kron(space, frequency)) @ np.linalg.inv(c)
    # modes below a millionth are left out
    np.testing.assert_allclose(
        h_hat.reshape(4, -1), y.reshape(4, -1) @ gain.T, atol=1e-4
    )
    own = np.kron(space, frequency)
    left = np.diag(own - gain @ np.kron(then, own).conj().T).real
    np.testing.assert_allclose(err_var[0].ravel(), left, atol=1e-3)


def test_the_first_order_process_is_a_kalman_filter():
    rng, ahead, one = np.random.default_rng(1), 3, np.ones((1, 1), complex)
    y = noisy(rng, np.zeros((5, SLOTS, 1, 1), complex), 1.0)
    h_hat, err_var = prediction.linear(
        prediction.first_order, [(1.0, one, one)], y, NO, ahead, DOPPLER
    )
    a, mean, variance = j0(2 * np.pi * DOPPLER), 0, 1.0
    for slot in range(SLOTS):
        gain = variance / (variance + NO)
        mean, variance = mean + gain * (y[:, slot] - mean), variance * (1 - gain)
        if slot < SLOTS - 1:
            mean, variance = a * mean, a**2 * variance + 1 - a**2
    np.testing.assert_allclose(h_hat, a**ahead * mean, atol=1e-9)
    expected = a ** (2 * ahead) * variance + 1 - a ** (2 * ahead)
    assert err_var.ravel()[0] == pytest.approx(expected)


def test_a_genie_errs_as_it_says():
    rng, ahead = np.random.default_rng(2), 4
    known, h, wanted = walking(rng, 800, 3, ahead)
    h_hat, err_var = prediction.genie(noisy(rng, h, NO), NO, ahead, DOPPLER, *known)
    error = np.mean(np.abs(h_hat - wanted) ** 2, axis=(1, 2))
    assert error.mean() == pytest.approx(err_var.mean(), abs=4 * error.std() / 800**0.5)


@pytest.mark.parametrize("ahead", [0, 3])
def test_a_single_path_goes_on_with_the_error_of_cramer_and_rao(ahead):
    rng, no = np.random.default_rng(3), 1e-2
    _, h, wanted = walking(rng, 300, 1, ahead)
    strong = np.mean(np.abs(wanted) ** 2, axis=(1, 2)) > 0.2
    h, wanted = h[strong], wanted[strong]
    h_hat, _ = prediction.nomp(noisy(rng, h, no), no, ahead, DOPPLER, most=1)
    size, middle = SLOTS * 64, (SLOTS - 1) / 2
    # amplitude, phase and two places of half a noise each, and the shift's by distance
    share = 2 + 6 * (middle + ahead) ** 2 / (SLOTS**2 - 1)
    error = np.mean(np.abs(h_hat - wanted) ** 2)
    assert error == pytest.approx(share * no / size, rel=0.25)


def test_time_and_spectra_help_and_paths_most():
    rng, ahead, denoiser = np.random.default_rng(4), 3, load_model("csi-ofdm")
    known, h, wanted = walking(rng, 40, 2, ahead)
    y = noisy(rng, h, NO)
    both = denoiser, y, NO, ahead, DOPPLER, FREQUENCIES

    def error(found):
        return np.mean(np.abs(found[0] - wanted) ** 2)

    found = [
        error(prediction.genie(y, NO, ahead, DOPPLER, *known)),
        error(prediction.score_paths(*both)),
        error(prediction.score(*both)),
        error(prediction.hold(*both)),
    ]
    assert found == sorted(found)
