import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.recipes import bit_planes as recipes_joint
from link_sim.recipes import restorers as recipes
from link_sim.recipes.bit_noise import decoder_llr


def test_llrs_of_the_recipe_are_consistent():
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, (300, 28, 28, 1, 8))
    llr = decoder_llr(rng, bits, skew=2)
    assert 0.04 < np.mean(llr == 0) < 0.09  # an eighth of half of the images
    for low, high in ((0.5, 1), (2, 3), (4, 5)):
        chosen = (np.abs(llr) > low) & (np.abs(llr) < high)
        wrong = ((llr > 0) != bits)[chosen]
        expected = np.mean(1 / (1 + np.exp(np.abs(llr[chosen]))))
        assert abs(wrong.mean() - expected) < 4 * np.sqrt(expected / wrong.size)


def test_recipe_leaves_weights_that_load(tmp_path, monkeypatch):
    digits = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)
    monkeypatch.setattr(recipes, "digits", lambda: (digits, None))
    monkeypatch.setattr(recipes, "evaluation_digits", lambda: digits[:50])
    recipes_joint.train_bit_planes(tmp_path, steps=2, refine=1, report=lambda *_: None)
    path = str(tmp_path / "bit-planes.npz")
    assert pretrained.read_card(path)["quality"]["digits"] == 50
    assert isinstance(pretrained.load_model(path), keras.layers.Layer)
