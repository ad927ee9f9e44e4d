"""Projections one by one: both ends agree, words fit, and the posterior is exact."""

import numpy as np
import pytest
from scipy.stats import truncnorm

from link_sim.receivers.feedback.codecs import Modes
from link_sim.receivers.feedback.mixture_posterior import MixturePosterior, truncated
from link_sim.receivers.feedback.sequential import SequentialCodec
from link_sim.receivers.feedback.transform import water_level

SHAPE = 2, 4


def normal(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)


def ends(decay):
    return [decay ** np.abs(np.subtract.outer(*[np.arange(n)] * 2)) for n in SHAPE]


def gaussian(rng, size, decay=0.7):
    left, right = map(np.linalg.cholesky, ends(decay))
    return left @ normal(rng, size, *SHAPE) @ right.T


MIXTURE = [(0.5, *ends(0.9)), (0.5, *ends(0.3))]


@pytest.mark.parametrize("low, high", [(-0.5, 0.7), (2.0, 3.0), (-9.0, -8.0)])
def test_moments_within_an_interval_are_those_of_the_truncated_gaussian(low, high):
    a, b = (low - 0.2) / 1.5, (high - 0.2) / 1.5
    p, mean, variance = truncated(0.2, 1.5, low, high)
    exact = truncnorm.stats(a, b, 0.2, 1.5, "mv")
    np.testing.assert_allclose([mean, variance], exact, rtol=1e-5)
    assert 0 < p < 1


@pytest.mark.parametrize("bits", [3, 7, 30, 100])
def test_words_fit_and_both_ends_agree(bits):
    codec, h = SequentialCodec(MIXTURE), gaussian(np.random.default_rng(1), 5)
    words = codec.encode(h, bits)
    assert max(map(len, words)) <= bits
    h_hat = codec.decode(words, bits)
    for field, own, word in zip(h, h_hat, words, strict=True):
        tried = [codec._encoded(field, bits, n) for n in range(3)]
        error = next(error for error, told in tried if told == word)
        assert np.linalg.norm(field - own) == error


def test_at_many_bits_the_error_falls_by_6_db_a_bit_and_number():
    codec, h = (
        SequentialCodec([(1.0, *ends(0.7))]),
        gaussian(np.random.default_rng(2), 8),
    )
    numbers, left = 2 * np.prod(SHAPE), []
    for bits in (4 * numbers, 6 * numbers):
        error = h - codec.decode(codec.encode(h, bits), bits)
        left.append(10 * np.log10(np.sum(np.abs(error) ** 2)))
    # errors of 128 numbers, uniform in their cells: each sum is known to .34 dB
    assert left[0] - left[1] == pytest.approx(2 * 6.02, abs=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 128, 256])
def test_a_known_gaussian_is_told_within_a_decibel_of_the_bound(bits):
    rng, shape = np.random.default_rng(2), (16, 16)
    axes = [0.7 ** np.abs(np.subtract.outer(*[np.arange(n)] * 2)) for n in shape]
    left, right = map(np.linalg.cholesky, axes)
    h, variances = left @ normal(rng, 40, *shape) @ right.T, Modes(*axes).variances
    codec = SequentialCodec([(1.0, *axes)])
    h_hat = codec.decode(codec.encode(h, bits), bits)
    error = np.sum(np.abs(h - h_hat) ** 2, axis=(1, 2))
    exact = np.minimum(variances, water_level(variances, bits)).sum()
    margin = 3 * error.std() / np.sqrt(40)
    assert exact - margin < error.mean() < exact * 10**0.1 + margin


def test_samples_are_those_of_the_posterior():
    rng, posterior = (
        np.random.default_rng(3),
        MixturePosterior([(1.0, Modes(*ends(0.7)))]),
    )
    a = normal(rng, 8)
    predicted = posterior.predict(a)
    posterior.observe(a, predicted, ((0.1, 0.9), (-0.5, 0.3)))
    x = posterior.samples(rng, 20_000).reshape(-1, 8)
    whole = np.kron(*ends(0.7))
    g, s = whole @ a, np.vdot(a, whole @ a).real
    inside = [
        truncated(0.0, np.sqrt(s / 2), *each)[1:] for each in ((0.1, 0.9), (-0.5, 0.3))
    ]
    (t, v), (u, w) = inside
    mean = g * (t + 1j * u) / s
    covariance = whole - np.outer(g, g.conj()) * (1 - (v + w) / s) / s
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-12)
    # 4 standard deviations of a mean, and of a covariance, of 20,000 samples
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=4 / np.sqrt(20_000))
    found = (x - mean).T @ (x - mean).conj() / len(x)
    np.testing.assert_allclose(found, covariance, atol=5 / np.sqrt(20_000))
