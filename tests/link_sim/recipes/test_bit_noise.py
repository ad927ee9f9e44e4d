import numpy as np
import pytest

from link_sim.recipes.bit_noise import (
    decoder_llr,
    hard_bits,
    mixed_bits,
    received_llr,
    soft_bits,
)

DIGITS = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)


def test_llrs_of_a_decoder_are_consistent():
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, (300, 28, 28, 1, 8))
    llr = decoder_llr(rng, bits, skew=2)
    assert 0.04 < np.mean(llr == 0) < 0.09  # an eighth of half of the images
    for low, high in ((0.5, 1), (2, 3), (4, 5)):
        chosen = (np.abs(llr) > low) & (np.abs(llr) < high)
        wrong = ((llr > 0) != bits)[chosen]
        expected = np.mean(1 / (1 + np.exp(np.abs(llr[chosen]))))
        assert abs(wrong.mean() - expected) < 4 * np.sqrt(expected / wrong.size)


def test_llrs_err_at_the_given_rate_and_are_consistent():
    llr = received_llr(np.random.default_rng(0), DIGITS, 0.1)
    sent = np.unpackbits(DIGITS[..., None], axis=-1)
    wrong = (llr > 0) != sent
    assert abs(wrong.mean() - 0.1) < 4 * np.sqrt(0.09 / wrong.size)
    sure = np.abs(np.abs(llr) - 2) < 0.1  # p(wrong) = 1 / (1 + e^2) there
    exact = 1 / (1 + np.exp(2))
    assert abs(wrong[sure].mean() - exact) < 4 * np.sqrt(0.25 / sure.sum()) + 0.002


@pytest.mark.parametrize("draw", [hard_bits, soft_bits, mixed_bits])
def test_drawn_bits_cover_verified_and_guessed_ones(draw):
    sent = np.unpackbits(DIGITS[..., None], axis=-1)
    bits = draw(np.random.default_rng(0), sent)
    wrong = ((bits > 0) != sent).reshape(200, -1).mean(axis=1)
    assert bits.shape == sent.shape and np.abs(bits).max() == 1
    assert wrong.min() < 0.01 and 0.3 < wrong.max() < 0.55
    if draw is hard_bits:
        assert np.all(np.abs(bits) == 1)
