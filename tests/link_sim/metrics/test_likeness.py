import numpy as np
import pytest

from link_sim.metrics.likeness import (
    kernel_distance,
    likeness,
    nearest_similarity,
    spectral_distance,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def waves(directions, rng):
    """Plane waves of random phase over 8 x 2 antennas, on the grid of directions."""
    turns = np.outer(directions, np.arange(8)) / 8
    phase = rng.random((len(directions), 1))
    h = np.exp(2j * np.pi * (turns + phase))
    return np.repeat(h[:, :, None], 2, axis=2).astype("complex64")


def test_waves_in_other_directions_are_a_whole_distance_apart(rng):
    left, right = (waves(rng.integers(*span, 50), rng) for span in ((0, 4), (4, 8)))
    assert spectral_distance(left, right) == pytest.approx(1, abs=1e-5)
    assert spectral_distance(left, left) == 0


def test_kernel_distance_of_one_and_of_two_distributions(rng):
    """In closed form for two directions: squares are 0 or 2, and half of either."""
    one, two = (waves(rng.integers(0, 2, 2000), rng) for _ in range(2))
    assert abs(kernel_distance(one, two)) < 4 / 2000
    other = waves(np.full(2000, 5), rng)
    width = 2.0
    expected = (1 + np.exp(-2 / width)) / 2 + 1 - 2 * np.exp(-2 / width)
    assert kernel_distance(one, other) == pytest.approx(expected, abs=0.01)


def test_copies_are_told(rng):
    h = waves(rng.integers(0, 8, 40), rng) * np.exp(2j * np.pi * 0.3)
    assert nearest_similarity(h, h * -1j) == pytest.approx(1, abs=1e-5)
    assert nearest_similarity(waves([0, 0], rng), waves([3, 4], rng)) < 1e-5


def test_facts_have_halves_beside_them(rng):
    facts = likeness(waves([0, 1, 2], rng), waves([0, 1, 2, 3], rng))
    assert facts["energy"] == pytest.approx(1, abs=1e-5)
    assert sum("halves" in name for name in facts) == 3
