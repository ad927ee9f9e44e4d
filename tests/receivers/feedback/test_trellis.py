"""The trellis against all words there are, and its gain at high rate."""

import itertools

import numpy as np
import pytest

from link_sim.receivers.feedback.trellis import (
    TOTAL,
    frequencies,
    levels,
    parities,
    scale_index,
    search,
)


def test_frequencies_are_positive_and_add_up():
    size = np.diff(frequencies().below, axis=2)
    assert size.min() >= 1 and np.all(size.sum(axis=2) == TOTAL)


@pytest.mark.parametrize("states", [1, 4, 8])
@pytest.mark.parametrize("price", [0.0, 0.5, 3.0])
def test_the_search_finds_the_cheapest_of_all_words(states, price):
    rng = np.random.default_rng(states)
    x, scale = 2 * rng.standard_normal((5, 4)), scale_index(rng.uniform(0.3, 3, (5, 4)))
    words = np.array(list(itertools.product(range(-3, 4), repeat=4)))
    every = parities(words, states)

    def costs(row, index, odd):
        bits = frequencies().bits[scale[row], odd, np.abs(index)]
        return np.sum((x[row] - levels(index, odd)) ** 2 + price * bits, axis=-1)

    found = search(x, scale, np.full(5, price), states)
    own = parities(found, states)
    for row in range(5):
        least = costs(row, words, every).min()
        assert costs(row, found[row], own[row]) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize(
    "states, gain_db", [(1, 0.0), (4, 0.99), (8, 1.09), (64, 1.27)]
)
def test_at_high_rate_the_trellis_gains_what_is_published(states, gain_db):
    """Marcellin and Fischer, "Trellis coded quantization", IEEE Trans. Com. 1990."""
    x = np.random.default_rng(0).uniform(0, 1000, (40, 500))
    scale = np.full(x.shape, scale_index(1000.0))
    index = search(x, scale, np.zeros(40), states)
    error = np.mean((x - levels(index, parities(index, states))) ** 2)
    # squared errors spread as much as their mean: 3 / sqrt(20,000) is 0.09 dB
    assert -10 * np.log10(3 * error) == pytest.approx(gain_db, abs=0.1)
