"""Approximate message passing against loops, and against its own prediction."""

import numpy as np

from link_sim.models.approximate_messages import (
    Messages,
    amp_step,
    gaussian_logits,
    mixing,
    moments,
    start,
)

LEVELS = np.float32([-3, -1, 1, 3]) / np.sqrt(10).astype("float32")


def problem(rng, size, rows, columns, noise):
    h = rng.standard_normal((size, rows, columns)) / np.sqrt(rows)
    x = LEVELS[rng.integers(0, 4, (size, columns))]
    y = (h @ x[..., None])[..., 0] + np.sqrt(noise) * rng.standard_normal((size, rows))
    return x, *(a.astype("float32") for a in (y, h, np.full(size, noise)))


def test_a_step_is_what_its_sums_say():
    rng, (rows, columns) = np.random.default_rng(0), (5, 3)
    _, y, h, noise = problem(rng, 1, rows, columns, 0.1)
    x, v = rng.standard_normal(columns), rng.random(columns)
    z, z_var = rng.standard_normal(rows), rng.random(rows) + 0.5
    messages = Messages(*(a[None].astype("float32") for a in (x, v, z, z_var)))
    found = amp_step(y, mixing(h), noise, messages, 0.3)
    y, h, noise = y[0], h[0], 0.1
    for a in range(rows):
        variance = sum(h[a, i] ** 2 * v[i] for i in range(columns))
        mean = sum(h[a, i] * x[i] for i in range(columns))
        mean -= variance * (y[a] - z[a]) / (noise + z_var[a])
        z[a] = 0.3 * z[a] + 0.7 * mean
        z_var[a] = 0.3 * z_var[a] + 0.7 * variance
    s = [1 / sum(h[:, i] ** 2 / (noise + z_var)) for i in range(columns)]
    r = [x[i] + s[i] * sum(h[:, i] * (y - z) / (noise + z_var)) for i in range(columns)]
    for value, expected in zip(found, (r, s, z, z_var), strict=True):
        np.testing.assert_allclose(value[0], expected, rtol=1e-5, atol=1e-6)


def test_moments_are_those_of_the_posterior():
    r, s = np.float32([[0.2, -0.5]]), np.float32([[0.3, 0.01]])
    levels = LEVELS.astype("float64")
    p = np.exp(-((levels - r[..., None]) ** 2) / (2 * s[..., None]))
    p /= p.sum(-1, keepdims=True)
    mean = (p * levels).sum(-1)
    found = moments(gaussian_logits(r, s, LEVELS), LEVELS)
    np.testing.assert_allclose(found[0], mean, rtol=1e-5)
    np.testing.assert_allclose(found[1], (p * levels**2).sum(-1) - mean**2, rtol=1e-4)


def test_pseudo_observations_have_the_variance_that_they_say():
    """In a large system R - x is Gaussian of variance S (state evolution)."""
    x, y, h, noise = problem(np.random.default_rng(1), 50, 256, 128, 0.1)
    messages = start(y, np.zeros((50, 128, 4), "float32"), LEVELS)
    for _ in range(10):
        r, s, z, z_var = amp_step(y, mixing(h), noise, messages, 0.3)
        messages = Messages(*moments(gaussian_logits(r, s, LEVELS), LEVELS), z, z_var)
    error = np.mean((np.asarray(r) - x) ** 2 / s)
    assert abs(error - 1) < 4 * np.sqrt(2 / x.size)
