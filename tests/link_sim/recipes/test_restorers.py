import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.receivers.images.restoration import ConditionalDDPM
from link_sim.recipes import restorers as recipes
from link_sim.recipes.bit_noise import hard_bits, mixed_bits, received_llr, soft_bits

DIGITS = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)


@pytest.fixture
def few_digits(monkeypatch):
    labels = np.arange(200) % 10
    monkeypatch.setattr(recipes, "digits", lambda: (DIGITS, labels))
    monkeypatch.setattr(recipes, "evaluation_digits", lambda: DIGITS[:100])
    monkeypatch.setattr(recipes, "evaluation_labels", lambda: labels[:100])


@pytest.mark.parametrize("name", ["ddpm", "digit-classifier", "pixel-bayes-mnist"])
def test_recipe_leaves_weights_that_load(name, tmp_path, few_digits):
    options = {"ddpm": {"share": 2e-4}, "digit-classifier": {"steps": 2}}
    recipes.RECIPES[name](tmp_path, **options.get(name, {}))
    path = str(tmp_path / f"{name}.npz")
    assert pretrained.read_card(path)["recipe"]["name"] == name
    if name == "ddpm":
        restorer = ConditionalDDPM.from_preset(path)
        assert restorer(DIGITS[:2] / np.float32(255)).shape == (2, 28, 28, 1)
    else:
        assert pretrained.load_arrays(path)


def test_batch_depends_on_its_number_only(few_digits):
    options = {"received": soft_bits, "last_level": 0.5, "floor": 0.05, "seed": 3}
    one = recipes.restoration_batch(7, **options)
    other = recipes.restoration_batch(7, **options)
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    sigma = one[0][1]
    assert abs(np.mean(sigma >= 1e4) - 0.5) <= 2 / len(sigma)
    assert np.all(one[0][0][np.ravel(sigma >= 1e4)] == 0)


def test_shift_moves_without_wrapping():
    image = np.zeros((50, 28, 28, 1), np.uint8)
    image[:, 0, 0] = 9
    moved = recipes.shifted(np.random.default_rng(0), image, 2)
    assert set(np.unique(np.argwhere(moved)[:, 1:3])) <= {0, 1, 2}
    assert 0 < moved.astype(bool).sum() < 50  # some have left the frame


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
