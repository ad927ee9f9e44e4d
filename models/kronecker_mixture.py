"""A mixture of Gaussians over fields whose covariances are Kronecker products."""

import numpy as np

ROUNDS = 10
"""Of expectation and maximisation."""
SHARED = 2.0
"""Fields by which a component's covariance leans towards that of all."""
LEAST = 1e-9
"""Share of the weight below which a field does not count."""
LEANS = 0.03, 0.1, 0.3, 0.6, 1.0
"""Weights of what is known beforehand in a covariance from few fields."""
NOISE = 1e-3
"""Added to the power of every mode, over the mean power."""


def covariances(h, weights=None) -> tuple[np.ndarray, np.ndarray]:
    """Of both axes of fields h [number, length_1, length_2], weighted.

    Their Kronecker product has the fields' power: the second has a mean diagonal of 1.
    """
    weights = np.ones(len(h)) if weights is None else weights
    there = weights > LEAST * weights.sum()
    x = h[there] * np.sqrt(weights[there] / weights[there].sum())[:, None, None]
    rows = np.moveaxis(x, 1, 0).reshape(h.shape[1], -1)
    columns = np.moveaxis(x, 2, 0).reshape(h.shape[2], -1)
    first, second = (z @ z.conj().T for z in (rows, columns))
    return first / h.shape[2], second / np.trace(second).real * h.shape[2]


def leaning(own, known) -> list[tuple]:
    """Gaussians between the covariances of few fields and those known beforehand.

    C_a = (1 - w) own_a + w known_a along both axes for each w of `LEANS`, equally
    likely before anything is seen: linear shrinkage (Ledoit and Wolf 2004) whose weight
    each field that is estimated tells by itself.

    Returns weights and covariances of both axes, as `fit_mixture`.
    """
    return [
        (
            1 / len(LEANS),
            *((1 - w) * a + w * b for a, b in zip(own, known, strict=True)),
        )
        for w in LEANS
    ]


def fit_mixture(h, components: int, seed: int = 0) -> list[tuple]:
    """Weights and covariances of both axes, by expectation and maximisation.

    h : complex [number, length_1, length_2], of mean power 1. It begins with fields
    drawn by chance, and each covariance leans towards that of all fields.
    Raises `ValueError` for more components than fields.
    """
    if components > len(h):
        raise ValueError(
            f"{components} components of a mixture need as many channels, and there "
            f"are {len(h)}: ask for fewer"
        )
    h = np.asarray(h, "complex128")
    everything = covariances(h)
    first = np.random.default_rng(seed).permutation(len(h))[:components]
    responsible = np.eye(len(h))[first]
    for _ in range(ROUNDS):
        mixture = [_component(h, own, everything) for own in responsible]
        fits = np.array([_log_likelihood(h, *c) for c in mixture])
        responsible = np.exp(fits - fits.max(axis=0))
        responsible /= responsible.sum(axis=0)
    return mixture


def _component(h, responsible, everything) -> tuple:
    number = responsible.sum()
    weight = (number + 1e-6) / (len(h) + 1e-6)
    if number < 1e-6:
        return weight, *everything
    lean = SHARED / (number + SHARED)
    own = covariances(h, responsible)
    return weight, *(
        (1 - lean) * a + lean * b for a, b in zip(own, everything, strict=True)
    )


def _log_likelihood(h, weight, first, second):
    (a, left), (b, right) = np.linalg.eigh(first), np.linalg.eigh(second)
    power = np.maximum(a, 0)[:, None] * np.maximum(b, 0) + NOISE
    z = left.conj().T @ h @ right.conj()
    fit = np.sum(np.abs(z) ** 2 / power, axis=(1, 2)) + np.sum(np.log(power))
    return np.log(weight) - fit
