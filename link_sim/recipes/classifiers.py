"""Training recipes of image classifiers, which tell what a picture shows."""

from pathlib import Path

import keras
import numpy as np

from link_sim.models.classifier import ImageClassifier
from link_sim.receivers.images.bits import image_from_levels
from link_sim.recipes.publishing import BATCH, DATA, digits, publish, train_in_cycles
from link_sim.world.sources import (
    evaluation_digits,
    evaluation_labels,
    evaluation_pictures,
    training_pictures,
)

PICTURES = "CIFAR-10 training images (Krizhevsky 2009)"


def train_digits(folder: Path, steps: int = 4000, seed: int = 1) -> None:
    """Trains and measures the digit classifier, on digits moved by up to 2 pixels."""
    images, labels = digits()

    def batch(step: int, seed: int) -> tuple:
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(images), BATCH)
        inputs = shifted(rng, images[chosen], 2)
        return (image_from_levels(inputs),), labels[chosen], None

    held_out = evaluation_digits(), evaluation_labels()
    _train(folder, "digit-classifier", DATA, (64, 128), batch, held_out, steps, seed)


def train_pictures(folder: Path, steps: int = 4000, seed: int = 1) -> None:
    """Trains and measures the classifier of CIFAR-10 images, moved and mirrored."""
    images, labels = training_pictures()

    def batch(step: int, seed: int) -> tuple:
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(images), BATCH)
        mirrored = rng.random((BATCH, 1, 1, 1)) < 0.5
        inputs = shifted(rng, images[chosen], 3)
        inputs = np.where(mirrored, inputs[:, :, ::-1], inputs)
        return (image_from_levels(inputs),), labels[chosen], None

    name, widths, held_out = "cifar10-classifier", (64, 128, 256), evaluation_pictures()
    _train(folder, name, PICTURES, widths, batch, held_out, steps, seed)


def _train(folder, name, data, widths, batch, held_out, steps, seed) -> None:
    """Trains the logits of a classifier on the labels that `batch` gives."""
    keras.utils.set_random_seed(seed)
    classifier = ImageClassifier(held_out[0].shape[1:], widths)
    seconds = train_in_cycles(
        lambda image: classifier(image)[0],
        [(steps, 1e-3, batch)],
        folder,
        seed,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    card = {"data": data, "recipe": {"name": name, "steps": steps, "seed": seed}}
    publish(
        folder,
        name,
        classifier,
        card,
        seconds,
        lambda _: {"accuracy": classifier_accuracy(classifier, *held_out)},
    )


def shifted(rng: np.random.Generator, images: np.ndarray, reach: int) -> np.ndarray:
    """Moves each image by up to `reach` pixels in both directions, filling with 0."""
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    rows, columns = rng.integers(0, 2 * reach + 1, (2, len(images)))
    height, width = images.shape[1:3]
    return np.stack(
        [
            image[r : r + height, c : c + width]
            for image, r, c in zip(padded, rows, columns, strict=True)
        ]
    )


def classifier_accuracy(classifier, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of 8-bit images that are classified right."""
    logits, _ = classifier.predict(image_from_levels(images), 100, verbose=0)
    return float(np.mean(logits.argmax(-1) == labels))
