"""Estimators for Y = H P + N against closed forms, with exact Gaussian denoisers."""

from functools import partial

import numpy as np
import pytest
from keras import ops

from link_sim.models.denoiser import GaussianDenoiser
from link_sim.models.spectral import SpectralDenoiser
from link_sim.models.stationary_mixture import StationaryMixtureDenoiser, covariance
from link_sim.receivers.catalog import MIMO
from link_sim.receivers.entries import build_block
from link_sim.receivers.estimation import (
    mimo,
    mimo_baselines,
    mimo_denoising,
    sparse_recovery,
)

RECEIVE, TRANSMIT, POINTS = 4, 8, (8, 16)
SPECTRUM = np.random.default_rng(3).random(POINTS) ** 12
SPECTRUM /= SPECTRUM.sum()
C = covariance(SPECTRUM, (RECEIVE, TRANSMIT))
SIZE = 100


def observe(alpha=0.5, no=0.1, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((2, SIZE, RECEIVE * TRANSMIT))
    h = (w[0] + 1j * w[1]) / np.sqrt(2) @ np.linalg.cholesky(C).T
    h = h.reshape(SIZE, RECEIVE, TRANSMIT)
    bits = rng.integers(0, 2, (2, SIZE, TRANSMIT, int(alpha * TRANSMIT))) * 2 - 1
    pilots = (bits[0] + 1j * bits[1]) / np.sqrt(2)
    if alpha == 1:
        pilots = np.exp(-2j * np.pi * np.outer(*[np.arange(TRANSMIT)] * 2) / TRANSMIT)
        pilots = np.broadcast_to(pilots, (SIZE, TRANSMIT, TRANSMIT))
    y = h @ pilots
    n = rng.standard_normal((2, *y.shape)) * np.sqrt(no / 2)
    arrays = h, y + n[0] + 1j * n[1], pilots
    return *(a.astype("complex64") for a in arrays), np.float32(no)


DENOISER = StationaryMixtureDenoiser([SPECTRUM], (RECEIVE, TRANSMIT))


@pytest.mark.parametrize("name", ["tweedie", "vamp"])
@pytest.mark.parametrize("no", [0.01, 0.3, 10.0])
def test_gaussian_prior_gives_the_lmmse_estimate(name, no):
    h, y, pilots, no = observe(1 if name == "tweedie" else 0.5, no)
    h_hat, err_var = (
        ops.convert_to_numpy(z) for z in getattr(mimo, name)(DENOISER, y, pilots, no)
    )
    exact, variance = mimo_baselines.lmmse(y, pilots, no, [C])
    excess = np.mean(np.abs(h_hat - exact) ** 2)
    assert excess < 0.02 * np.mean(variance)  # 0.09 dB
    # the probe is one draw of 2 x 32 signs a channel, averaged over 100 channels
    assert np.mean(err_var) == pytest.approx(np.mean(variance), rel=0.1)
    calibration = np.mean(np.abs(h_hat - h) ** 2 / err_var)
    assert calibration == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("alpha, tolerance", [(0.5, 0.25), (1, 0.1)])
def test_vamp_states_its_error_where_it_assumes_more_noise(alpha, tolerance):
    """Of an LMMSE estimate for `audible` noise under a quarter of it.

    With half of the pilots ten steps leave a tenth or so of the response out.
    """
    h, y, pilots, no = observe(alpha, 4e-5)
    h_hat, err_var = mimo.vamp(DENOISER, y, pilots, no)
    assumed = ops.convert_to_numpy(mimo_denoising.audible(y, no)).ravel()
    assert np.mean(assumed) > 3 * no
    expected = []
    for pilot, noise in zip(pilots.astype(complex), assumed, strict=True):
        seen = np.kron(np.eye(RECEIVE), pilot.T)
        inner = seen @ C @ seen.conj().T
        gain = C @ seen.conj().T @ np.linalg.inv(inner + noise * np.eye(len(inner)))
        error = C - gain @ seen @ C - (noise - no) * gain @ gain.conj().T
        expected.append(np.trace(error).real / len(C))
    assert np.mean(err_var) == pytest.approx(np.mean(expected), rel=tolerance)
    error = np.mean(np.abs(ops.convert_to_numpy(h_hat) - h) ** 2)
    assert error == pytest.approx(np.mean(expected), rel=0.1)


def test_read_spectra_state_what_they_miss():
    """Channels whose covariance is no Kronecker product, 100 of 32 elements: risk is
    known within 4 (2 / 3200)^0.5 = 10 % of the noise, and errors are half of that."""
    denoiser = SpectralDenoiser((TRANSMIT, RECEIVE), (32, 16), rounds=1, width=8)
    for no in (0.1, 1e-3, 1e-6):
        h, y, pilots, no = observe(1, TRANSMIT * no)
        found = mimo.adaptive(denoiser, y, pilots, no)
        h_hat, err_var = map(ops.convert_to_numpy, found)
        error = np.mean(np.abs(h_hat - h) ** 2)
        assert np.mean(err_var) == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize(
    "name", ["dmse", pytest.param("posterior", marks=pytest.mark.slow)]
)
def test_white_prior_gives_the_exact_estimate(name):
    _, y, pilots, no = observe(1, 2.0)
    h_hat, err_var = getattr(mimo, name)(GaussianDenoiser(0.0, 0.5), y, pilots, no)
    gain = TRANSMIT / (TRANSMIT + no)
    exact = gain * y @ np.conj(np.swapaxes(pilots, -1, -2)) / TRANSMIT
    variance = 1 - gain
    share = 1e-3 if name == "dmse" else 1 / mimo.DRAWS
    error = np.mean(np.abs(ops.convert_to_numpy(h_hat) - exact) ** 2)
    assert error < 1.2 * share * variance  # 18 steps from sigma 5 leave 14 %
    if name == "posterior":  # 3,200 complex draws: four standard errors are 0.07
        expected = variance * (1 + 1 / mimo.DRAWS)
        assert float(ops.mean(err_var)) == pytest.approx(expected, rel=0.07)


@pytest.mark.parametrize("db", [40, 60, 80, 100])
def test_lmmse_states_its_error_where_it_assumes_more_noise(db):
    h, y, pilots, no = observe(0.5, 10 ** (-db / 10))
    h_hat, err_var = mimo_baselines.lmmse(y, pilots, no, [C])
    assert np.mean(np.abs(h_hat - h) ** 2) == pytest.approx(np.mean(err_var), rel=0.2)
    h, y, pilots, no = observe(1, 10 ** (-db / 10))
    h_hat, err_var = mimo_baselines.lmmse(y, pilots, no, [C])
    assert np.mean(np.abs(h_hat - h) ** 2) == pytest.approx(np.mean(err_var), rel=0.2)


def test_mixture_baseline_is_bayes_rule():
    """Two components in one dimension of antenna, against numerical integration."""
    covariances = [np.array([[0.2]]), np.array([[3.0]])]
    y = np.array([[[1.2 + 0.4j]]])
    h_hat, err_var = mimo_baselines.lmmse(y, np.ones((1, 1, 1)), 0.5, covariances)
    grid = np.linspace(-12, 12, 1201)
    h = grid[:, None] + 1j * grid
    prior = sum(np.exp(-(np.abs(h) ** 2) / c.item()) / c.item() for c in covariances)
    p = prior * np.exp(-(np.abs(y.item() - h) ** 2) / 0.5)
    mean = np.sum(p * h) / p.sum()
    assert h_hat.item() == pytest.approx(mean, abs=1e-6)
    spread = np.sum(p * np.abs(h - mean) ** 2) / p.sum()
    assert err_var.item() == pytest.approx(spread, abs=1e-6)


def test_genie_is_the_lmmse_estimate_of_its_covariances():
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal((n, n, 2)) @ [1, 1j] for n in (RECEIVE, TRANSMIT))
    receive, transmit = a @ a.conj().T, b @ b.conj().T
    _, y, pilots, no = observe(1)
    exact = mimo_baselines.lmmse(y[:3], pilots[:3], no, [np.kron(receive, transmit)])
    found = mimo_baselines.genie(
        y[:3], pilots[:3], no, *(np.stack([c] * 3) for c in (receive, transmit))
    )
    for ours, theirs in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_surprise_is_standard_under_the_prior_and_large_under_another():
    h, y, pilots, no = observe(0.5, 0.1)
    h_hat = mimo_baselines.lmmse(y, pilots, no, [C])[0].astype("complex64")
    found = ops.convert_to_numpy(mimo.surprise(h_hat, y, pilots, no))
    assert abs(found.mean()) < 4 / SIZE**0.5
    assert found.std() == pytest.approx(1, abs=4 / (2 * SIZE) ** 0.5 * 1.6)
    h, y, pilots, no = observe(0.5, 0.01)
    other = covariance(np.roll(SPECTRUM, (3, 5)), (RECEIVE, TRANSMIT))
    h_hat = mimo_baselines.lmmse(y, pilots, no, [other])[0].astype("complex64")
    assert np.mean(ops.convert_to_numpy(mimo.surprise(h_hat, y, pilots, no))) > 6


def test_sparse_recovery_finds_few_waves_on_the_grid():
    rng = np.random.default_rng(2)
    points = [sparse_recovery.OVERSAMPLING * n for n in (16, 32)]
    x = np.zeros((5, *points), complex)
    for i in range(5):
        x[i, rng.integers(0, points[0], 3), rng.integers(0, points[1], 3)] = 20
    h = np.fft.fft2(x, norm="ortho", axes=(1, 2))[:, :16, :32]
    bits = rng.integers(0, 2, (2, 5, 32, 16)) * 2 - 1
    pilots = (bits[0] + 1j * bits[1]) / np.sqrt(2)
    y = h @ pilots
    no = 1e-3 * np.mean(np.abs(y) ** 2)
    y = y + (rng.standard_normal((*y.shape, 2)) @ [1, 1j]) * np.sqrt(no / 2)
    found, _ = mimo_baselines.sparse(y, pilots, no)
    least, _ = mimo_baselines.least_squares(y, pilots, no)
    nmse = [np.sum(np.abs(z - h) ** 2) / np.sum(np.abs(h) ** 2) for z in (found, least)]
    assert nmse[0] < 0.01 and nmse[1] > 0.3


def sign_draw(*shape):
    """That of `Fit.followed`."""
    signs = np.sign(np.random.default_rng(0).standard_normal((2, *shape)))
    return (signs[0] + 1j * signs[1]) / np.sqrt(2)


def test_one_wave_follows_less_across_its_phase():
    """d |x| / d x turns against a change across x by `weight / |x|`."""
    fit = sparse_recovery.Fit((3, 4), observe()[2][:1, :4, :3], np.full((1, 1, 1), 0.7))
    x, place = np.zeros((1, 12, 16), complex), (0, 2, 5)
    x[place] = 1
    wave = fit.seen(x)
    energy, signs = np.sum(np.abs(wave) ** 2), sign_draw(1, 3, 3)
    phase, size = np.exp(0.6j), 0.5
    c = np.vdot(phase * wave, signs)
    expected = c.real**2 / energy + c.imag**2 / (energy + 0.7 / size)
    found = fit.followed(size * phase * x)
    assert found.item() == pytest.approx(expected / signs.size, rel=1e-5)


def test_waves_without_a_norm_follow_what_lies_in_their_span():
    fit = sparse_recovery.Fit((3, 4), observe()[2][:1, :4, :3], np.zeros((1, 1, 1)))
    x = np.zeros((4, 12, 16), complex)
    places = np.arange(4), [0, 3, 6, 9], [1, 12, 7, 3]
    x[places] = 1
    waves = fit.seen(x).reshape(4, -1).T
    span, _ = np.linalg.qr(waves)
    signs = sign_draw(1, 3, 3)
    expected = np.sum(np.abs(span.conj().T @ signs.ravel()) ** 2) / signs.size
    found = fit.followed(x.sum(axis=0, keepdims=True))
    assert found.item() == pytest.approx(expected, rel=1e-4)


class Ensemble:
    """What estimators are built for, with the prior of these tests."""

    orthogonal, denoiser, spectral = False, DENOISER, None

    def covariances(self):
        return [C]


@pytest.mark.parametrize(
    "name, function, known",
    [
        ("ls", mimo_baselines.least_squares, {}),
        ("lmmse", mimo_baselines.lmmse, {"covariances": [C]}),
        ("score-tweedie", partial(mimo.tweedie, DENOISER), {}),
        ("score-vamp", partial(mimo.vamp, DENOISER), {}),
    ],
)
def test_names_of_the_catalog_are_these_estimators(name, function, known):
    _, y, pilots, no = observe(1)
    seen = y[:2], pilots[:2], no
    found = build_block(MIMO, name, Ensemble())(*seen)
    for ours, expected in zip(found, function(*seen, **known), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
