"""Channels of blocks against Gaussian conditioning done directly."""

import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.estimation import block_fading

pytestmark = pytest.mark.usefixtures("eager")

ANTENNAS, STREAMS, USES, NO = 3, 2, 4, 0.4
SIZE = ANTENNAS * STREAMS


def normal(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)


@pytest.fixture(scope="module")
def block():
    """A covariance, mean symbols and their variances, and what is received."""
    rng = np.random.default_rng(1)
    root = normal(rng, SIZE, 2 * SIZE)
    covariance = root @ root.conj().T / (2 * SIZE)
    x, y = normal(rng, STREAMS, USES), normal(rng, ANTENNAS, USES)
    return covariance, x, rng.uniform(0, 1, (STREAMS, USES)), y


def heard(block):
    covariance, *rest = block
    x, variance, y = (tf.constant(z[None]) for z in rest)
    x, y = (tf.cast(z, tf.complex64) for z in (x, y))
    weight = block_fading.weights(tf.cast(variance, tf.float32), np.float32(NO))
    return covariance[None], x, weight, y


def conditional(block, left_out=None):
    """Mean and covariance of vec(H), and log p(y) less that of the noise."""
    covariance, x, variance, y = block
    uses = [use for use in range(USES) if use != left_out]
    seen = np.concatenate([np.kron(np.eye(ANTENNAS), x[:, use]) for use in uses])
    noise = np.repeat(NO + variance.sum(0)[uses], ANTENNAS)
    heard = y[:, uses].T.ravel()
    r = seen @ covariance @ seen.conj().T + np.diag(noise)
    gain = covariance @ seen.conj().T @ np.linalg.inv(r)
    quadratic = np.vdot(heard, np.linalg.solve(r, heard)).real
    ratio = np.sum(np.abs(heard) ** 2 / noise) - quadratic
    ratio -= np.linalg.slogdet(r)[1] - np.sum(np.log(noise))
    return gain @ heard, covariance - gain @ seen @ covariance, ratio


def test_the_posterior_is_the_conditional_distribution(block):
    covariance, x, weight, y = heard(block)
    told = block_fading.told(y, x, weight)
    found = block_fading.posterior(covariance, told)
    mean, left, ratio = conditional(block)
    np.testing.assert_allclose(found.mean[0], mean.reshape(ANTENNAS, -1), atol=1e-5)
    found = np.reshape(found.covariance, (SIZE, SIZE))
    np.testing.assert_allclose(found, left, atol=1e-5)
    evidence = block_fading.evidence(covariance, told)
    np.testing.assert_allclose(evidence, [ratio], rtol=1e-4)


@pytest.mark.parametrize("use", [0, 3])
def test_a_use_is_predicted_by_all_others(block, use):
    covariance, x, weight, y = heard(block)
    found = block_fading.posterior(covariance, block_fading.told(y, x, weight))
    m = 0.3 * x
    sent = m, tf.fill(m.shape, 0.5)
    h, noise = block_fading.predict(found, y, x, weight, sent, np.float32(NO))
    mean, left, _ = conditional(block, left_out=use)
    np.testing.assert_allclose(h[0, use], mean.reshape(ANTENNAS, -1), atol=1e-4)
    m = np.asarray(m)[0, :, use]
    moments = np.outer(m, m.conj()) + 0.5 * np.eye(STREAMS)
    left = left.reshape(2 * (ANTENNAS, STREAMS))
    expected = np.einsum("asbt,st->ab", left, moments) + NO * np.eye(ANTENNAS)
    np.testing.assert_allclose(noise[0, use], expected, atol=1e-4)


def test_draws_have_mean_and_covariance_of_the_posterior(block):
    """20,000 draws: entries of the covariance within 5 standard errors."""
    covariance, x, weight, y = heard(block)
    found = block_fading.posterior(covariance, block_fading.told(y, x, weight))
    found = block_fading.Posterior(*(tf.repeat(z, 20_000, 0) for z in found))
    z = normal(np.random.default_rng(2), 20_000, ANTENNAS, STREAMS)
    drawn = block_fading.sample(found, tf.constant(z)).numpy() - found.mean[0]
    drawn = np.reshape(drawn, (-1, SIZE))
    left = np.reshape(found.covariance[0], (SIZE, SIZE))
    error = 5 * np.max(np.diag(left).real) / np.sqrt(20_000)
    np.testing.assert_allclose(drawn.T @ drawn.conj() / 20_000, left, atol=error)
