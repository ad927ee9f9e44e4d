from functools import partial

import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.classifier import ImageClassifier
from link_sim.recipes import classifiers

LABELS = np.arange(60) % 10


@pytest.mark.parametrize(
    ("train", "name", "side", "channels"),
    [
        (classifiers.train_digits, "digit-classifier", 28, 1),
        (classifiers.train_pictures, "cifar10-classifier", 32, 3),
    ],
)
def test_a_classifier_that_loads_is_left(
    train, name, side, channels, tmp_path, monkeypatch, untrained
):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, side, side, channels), np.uint8)
    for source in ("digits", "training_pictures", "evaluation_pictures"):
        monkeypatch.setattr(classifiers, source, lambda: (images, LABELS))
    monkeypatch.setattr(classifiers, "evaluation_digits", lambda: images)
    monkeypatch.setattr(classifiers, "evaluation_labels", lambda: LABELS)
    monkeypatch.setattr(classifiers, "BATCH", 4)
    small = partial(ImageClassifier, widths=(8, 8), dtype="float32")
    monkeypatch.setattr(classifiers, "ImageClassifier", lambda shape, _: small(shape))
    untrained(classifiers)
    train(tmp_path, steps=1)
    path = str(tmp_path / f"{name}.npz")
    card = pretrained.read_card(path)
    assert card["recipe"] == {"name": name, "steps": 1, "seed": 1}
    assert 0 <= card["quality"]["accuracy"] <= 1
    logits, _ = pretrained.load_model(path)(images[:2] / np.float32(255))
    assert logits.shape == (2, 10)


def test_shift_moves_without_wrapping():
    image = np.zeros((50, 28, 28, 1), np.uint8)
    image[:, 0, 0] = 9
    moved = classifiers.shifted(np.random.default_rng(0), image, 2)
    assert set(np.unique(np.argwhere(moved)[:, 1:3])) <= {0, 1, 2}
    assert 0 < moved.astype(bool).sum() < 50  # some have left the frame
