"""Estimators over antennas and carriers, against answers that are known."""

import numpy as np
import pytest
from scipy.stats import norm

from link_sim.models.kronecker_mixture import covariances, fit_mixture, leaning
from link_sim.models.pretrained import load_model
from link_sim.receivers.estimation import fields, gridless

ALL = np.arange(16)


def noisy(rng, h, no):
    n = rng.standard_normal((2, *h.shape)) * np.sqrt(no / 2)
    return h + n[0] + 1j * n[1]


def waves(turns, gain, shape):
    """Sums of plane waves, written out."""
    first, second = (np.arange(size) for size in shape)
    phase = (
        turns[..., 0, None, None] * first[:, None] + turns[..., 1, None, None] * second
    )
    return np.sum(gain[..., None, None] * np.exp(2j * np.pi * phase), axis=1)


def test_paths_are_found_exactly_without_noise_and_to_the_bound_with_it():
    rng = np.random.default_rng(0)
    turns = np.array([[0.11, 0.93], [0.31, 0.71], [0.77, 0.84]]) + 0.01 * rng.random(
        (40, 3, 2)
    )
    gain = np.exp(2j * np.pi * rng.random((40, 3))) * [1, 0.7, 0.5]
    h = waves(turns, gain, (12, 16))
    exact, _ = gridless.nomp(h, 1e-9, ALL, 16)
    assert np.mean(np.abs(exact - h) ** 2) < 1e-9
    no = 1e-3
    h_hat, err_var = gridless.nomp(noisy(rng, h, no), no, ALL, 16)
    # Cramer and Rao: 4 real numbers a path, so 2 * 3 * no / 192; 40 * 12 of them
    assert np.mean(np.abs(h_hat - h) ** 2) == pytest.approx(6 * no / 192, rel=0.3)
    # and the larger of what is left by chance, a Gaussian, and half a path at the bar
    s, bar = no / np.sqrt(192), no * (np.log(192) - np.log(-np.log(0.99))) / 384
    stated = bar * norm.cdf(bar / s) + s * norm.pdf(bar / s) + 6 * no / 192
    assert np.mean(err_var) == pytest.approx(stated, rel=0.2)


def test_fields_far_below_the_noise_have_a_variance_of_their_power_at_most():
    rng, no = np.random.default_rng(7), 10**2.5
    h = waves(rng.random((40, 1, 2)), np.ones((40, 1)), (16, 64))
    h_hat, err_var = gridless.nomp(noisy(rng, h, no), no, np.arange(64), 64)
    none = ~h_hat.any(axis=(1, 2))
    assert none.sum() > 30 and np.all(err_var[none] == 1)
    weak, some = gridless.nomp(0 * h, 1.0, np.arange(64), 64)  # less than its noise
    assert not weak.any() and np.all(some > 0.005)


def test_paths_go_on_between_pilots_and_noise_alone_has_none():
    rng = np.random.default_rng(1)
    turns = np.array([[[0.3, -0.02]]]) * np.ones((5, 1, 1))
    h = waves(turns, np.ones((5, 1)), (8, 32))
    carriers = np.arange(0, 32, 4)
    h_hat, _ = gridless.nomp(h[:, :, carriers], 1e-9, carriers, 32)
    np.testing.assert_allclose(h_hat, h, atol=1e-4)
    noise = noisy(rng, np.zeros((300, 8, 16)), 1.0)
    found = gridless.find_paths(noise, 1.0, 3)
    assert found.number.mean() < 0.12  # 0.01 of resolved places, more between them


def fading(rng, number, space, frequency):
    left, right = (
        np.linalg.cholesky(c + 1e-12 * np.eye(len(c))) for c in (space, frequency)
    )
    w = rng.standard_normal((2, number, len(space), len(frequency))) / np.sqrt(2)
    return left @ (w[0] + 1j * w[1]) @ right.T


def correlated(size, r):
    n = np.arange(size)
    return r ** np.abs(n[:, None] - n) * np.exp(0.7j * (n[:, None] - n))


def test_lmmse_is_that_of_the_whole_covariance():
    rng = np.random.default_rng(2)
    space, frequency, no = correlated(3, 0.8), correlated(8, 0.9), 0.3
    carriers = np.arange(0, 8, 2)
    h = fading(rng, 2000, space, frequency)
    y = noisy(rng, h[:, :, carriers], no)
    h_hat, err_var = fields.lmmse(y, no, carriers, [(1.0, space, frequency)])
    whole, seen = (
        np.kron(space, frequency),
        np.arange(24).reshape(3, 8)[:, carriers].ravel(),
    )
    inner = whole[np.ix_(seen, seen)] + no * np.eye(len(seen))
    gain = whole[:, seen] @ np.linalg.inv(inner)
    expected = y.reshape(2000, -1) @ gain.T
    np.testing.assert_allclose(h_hat.reshape(2000, -1), expected, atol=1e-9)
    left = np.diag(whole - gain @ whole[seen]).real
    np.testing.assert_allclose(err_var[0].ravel(), left, atol=1e-9)
    assert np.mean(np.abs(h_hat - h) ** 2) == pytest.approx(left.mean(), rel=0.06)


def test_a_mixture_finds_what_its_channels_are_made_of():
    rng, no = np.random.default_rng(3), 0.1
    kinds = [(correlated(4, 0.99), correlated(8, 0.99)), (np.eye(4), np.eye(8))]
    h = np.concatenate([fading(rng, 200, *kind) for kind in kinds])
    mixture = fit_mixture(h, 2)
    assert sorted(round(w, 1) for w, *_ in mixture) == [0.5, 0.5]
    test = np.concatenate([fading(rng, 200, *kind) for kind in kinds])
    y, places = noisy(rng, test, no), np.arange(8)

    def error(known):
        h_hat, err_var = fields.lmmse(y, no, places, known)
        return np.mean(np.abs(h_hat - test) ** 2), np.mean(err_var)

    truth = error([(0.5, *kind) for kind in kinds])
    found, single = error(mixture), error([(1.0, *covariances(h))])
    assert truth[0] < found[0] < 1.2 * truth[0] < single[0]
    assert truth[1] == pytest.approx(truth[0], rel=0.1)
    with pytest.raises(ValueError, match="ask for fewer"):
        fit_mixture(h, 500)


def test_a_genie_is_linear_regression_on_the_waves():
    rng, no = np.random.default_rng(4), 0.2
    turns = rng.random((500, 3, 2))
    powers = np.array([0.6, 0.3, 0.1]) * np.ones((500, 1))
    gain = np.sqrt(powers / 2) * (rng.standard_normal((2, 500, 3)).T @ [1, 1j]).T
    known = [
        np.exp(2j * np.pi * turns[..., [i]] * np.arange(s))
        for i, s in enumerate((4, 8))
    ]
    h = waves(turns, gain, (4, 8))
    carriers = np.arange(0, 8, 2)
    y = noisy(rng, h[:, :, carriers], no)
    h_hat, err_var = fields.genie(y, no, carriers, powers, known)
    assert np.mean(np.abs(h_hat - h) ** 2) == pytest.approx(np.mean(err_var), rel=0.15)
    atoms = (known[0][0, :, :, None] * known[1][0, :, None]).reshape(3, -1)
    seen = np.arange(32).reshape(4, 8)[:, carriers].ravel()
    c = (atoms.T * powers[0]) @ atoms.conj()
    inner = c[np.ix_(seen, seen)] + no * np.eye(len(seen))
    expected = c[:, seen] @ np.linalg.solve(inner, y[0].ravel())
    np.testing.assert_allclose(h_hat[0].ravel(), expected, atol=1e-9)


def test_straight_lines_between_pilots():
    y = np.array([[[0.0, 4.0, 0.0]]])
    h_hat, err_var = fields.least_squares(y, 0.5, np.array([0, 4, 8]), 10)
    np.testing.assert_allclose(h_hat[0, 0], [0, 1, 2, 3, 4, 3, 2, 1, 0, 0])
    np.testing.assert_allclose(err_var[[0, 2, 9]], [0.5, 0.25, 0.5])


def test_spectra_are_read_off_the_rest_only_where_there_is_one():
    """Single waves: close to paths alone, and much better than spectra alone."""
    rng, no, frequencies = np.random.default_rng(5), 0.1, np.arange(32) * 312.5e3
    denoiser, carriers = load_model("csi-ofdm"), np.arange(32)
    h = waves(np.array([[[0.3, 0.9]]]) * np.ones((9, 1, 1)), np.ones((9, 1)), (8, 32))
    y = noisy(rng, h, no)
    known = denoiser, y, no, carriers, frequencies
    paths = gridless.nomp(y, no, carriers, 32)[0]
    both, err_var = fields.score_paths(*known)
    error, alone = (np.mean(np.abs(x - h) ** 2) for x in (both, paths))
    assert error < 2 * alone
    assert error < np.mean(np.abs(fields.score(*known)[0] - h) ** 2) / 2
    assert 0.3 < error / np.mean(err_var) < 2


def test_more_antennas_than_the_prior_has_angles():
    rng, no = np.random.default_rng(6), 0.1
    denoiser, carriers = load_model("csi-ofdm"), np.arange(8)
    h = waves(rng.random((3, 1, 2)) * [1, 0] + [0, 0.99], np.ones((3, 1)), (24, 8))
    frequencies = carriers * 312.5e3
    h_hat, _ = fields.score(denoiser, noisy(rng, h, no), no, carriers, frequencies)
    assert np.mean(np.abs(h_hat - h) ** 2) < no / 2


def test_a_covariance_of_few_fields_leans_as_far_as_pilots_say():
    rng, no, places = np.random.default_rng(8), 0.1, np.arange(8)
    truth, other = (correlated(4, 0.9), correlated(8, 0.95)), (np.eye(4), np.eye(8))
    own = covariances(fading(rng, 8, *truth))

    def error(test, known):
        y = noisy(np.random.default_rng(9), test, no)
        return np.mean(np.abs(fields.lmmse(y, no, places, known)[0] - test) ** 2)

    assert leaning(own, other)[-1][0] == 0.2
    for kind, bound in ((truth, 1.3), (other, 1.05)):  # of the covariance of the test
        test = fading(rng, 1000, *kind)
        few, best = error(test, leaning(own, other)), error(test, [(1.0, *kind)])
        alone = error(test, [(1.0, *own)])
        assert best < few < bound * best and few < alone


def test_the_nearest_example_is_found_whatever_its_phase():
    rng = np.random.default_rng(9)
    z = rng.standard_normal((2, 5, 4, 8))
    examples, carriers = z[0] + 1j * z[1], np.arange(0, 8, 2)
    y = 0.7j * examples[[3, 1]][:, :, carriers]
    h_hat, err_var = fields.nearest(y, 1e-3, carriers, examples)
    np.testing.assert_allclose(h_hat, 0.7j * examples[[3, 1]], rtol=1e-12)
    np.testing.assert_allclose(err_var.ravel(), 1e-3 / 16)
