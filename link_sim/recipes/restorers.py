"""Training recipes: how each shipped weight file was made.

`RECIPES[name](folder, **overrides)` trains the weights `name` with checkpoints in
`folder`, continues what is there, writes `folder/name.npz` with its card, and measures
its quality on the 5,000 evaluation digits, which no training ever sees.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.classifier import ImageClassifier
from link_sim.models.conditional_chain import ConditionalChain
from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.training import low_discrepancy, train
from link_sim.models.unet import UNet
from link_sim.receivers.images.restoration import ConditionalDDPM, condition_planes
from link_sim.recipes.bit_noise import (
    flipped_bits,
    hard_bits,
    mixed_bits,
    received_llr,
    soft_bits,
)
from link_sim.world.sources import evaluation_digits, evaluation_labels, training_digits

BATCH = 128
SIGMA_DATA = 0.6
"""Standard deviation of MNIST pixels scaled to [-1, 1]."""
DATA = "MNIST training digits (LeCun and Cortes, CC BY-SA 3.0), evaluation digits out"


digits = functools.cache(training_digits)


def show_progress(step: int, loss: float) -> None:
    """Prints a line with each checkpoint."""
    print(f"step {step}: loss {loss:.4f}", flush=True)


def cost(seconds: float) -> dict:
    """What a training took, for its card."""
    return {"minutes": round(seconds / 60), "cores": len(os.sched_getaffinity(0))}


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


def restoration_batch(
    step: int,
    received: Callable,
    seed: int,
    last_level: float,
    floor: float,
):
    """Inputs, target and weights of one training step of a restoring network.

    A share `last_level` of the batch asks for the estimate from the condition alone,
    the rest for one of the levels of the chain. Weights make up for the level, and
    for the error rate of the image above `floor`, so that mild and severe cases count
    alike.
    """
    rng = np.random.default_rng([seed, step])
    images = digits()[0]
    images = images[rng.integers(0, len(images), BATCH)]
    bits = np.unpackbits(images[..., None], axis=-1)
    soft = received(rng, bits)
    _, condition = condition_planes(soft)
    x0 = images.astype("float32") / 127.5 - 1
    chain, u = ConditionalChain(), low_discrepancy(rng, BATCH)[:, None, None, None]
    t = 1 + np.floor(u / (1 - last_level + 1e-12) * (chain.num_levels - 1))
    t = np.minimum(t, chain.num_levels).astype(int)
    sigma = chain.sigma[t].astype("float32")
    noise = rng.standard_normal(x0.shape, "float32")
    x = np.where(t < chain.num_levels, x0 + sigma * noise, 0)
    error_rate = np.mean(1 - soft * (2.0 * bits - 1), axis=(1, 2, 3, 4)) / 2
    weight = 0.1 / (error_rate + floor)[:, None, None, None]
    weight = weight * (1 / sigma**2 + 1 / SIGMA_DATA**2)
    return (x, sigma, np.asarray(condition)), x0, weight[..., 0]


def train_in_cycles(denoiser, cycles: list[tuple], folder, seed, **options) -> float:
    """Trains once for each `(steps, learning_rate, batch)` of `cycles`.

    Each cycle runs through the whole schedule, from the averaged weights that the one
    before left. `batch(step, seed=...)` gives the data of a step. Returns the seconds.
    """
    seconds = 0.0
    for cycle, (steps, learning_rate, batch) in enumerate(cycles):
        seconds += train(
            denoiser,
            functools.partial(batch, seed=seed + cycle),
            steps,
            Path(folder) / f"cycle-{cycle}",
            learning_rate=learning_rate,
            **options,
        )
    return seconds


def train_restorer(
    folder: Path,
    name: str,
    summary: str,
    soft: bool,
    cycles: tuple,
    start: str | None = None,
    share: float = 1.0,
    floor: float = 0.05,
    seed: int = 1,
    report: Callable = show_progress,
) -> None:
    """Trains and measures a restoring network.

    cycles: of `(steps, learning_rate, received, last_level)`; `received` draws the bits
    that the network is told. share: of the steps that are taken, to try things out.
    start: weights to begin with.
    """
    keras.utils.set_random_seed(seed)
    if start:
        denoiser = pretrained.load_model(start)
    else:
        network = UNet((28, 28, 11), 17, (64, 128), (1, 3), "mixed_bfloat16")
        denoiser = PixelDenoiser(network, SIGMA_DATA)
    planned = [
        (
            max(1, round(share * steps)),
            rate,
            functools.partial(
                restoration_batch, received=received, last_level=last_level, floor=floor
            ),
        )
        for steps, rate, received, last_level in cycles
    ]
    seconds = train_in_cycles(denoiser, planned, folder, seed, report=report)
    told = [(steps, rate, draw.__name__, last) for steps, rate, draw, last in cycles]
    recipe = {"name": name, "start": start, "cycles": told, "share": share}
    card = {
        "summary": summary,
        "restorer": {
            "image_shape": [28, 28, 1],
            "soft": soft,
            "histograms": "pixel-bayes-mnist",
        },
        "data": DATA,
        "cost": cost(seconds),
        "recipe": recipe | {"batch": BATCH, "floor": floor, "seed": seed},
    }
    path = str(Path(folder) / f"{name}.npz")
    pretrained.save_model(path, denoiser, card)
    pretrained.update_card(path, quality=restoration_quality(path))


def restoration_quality(name: str, digits: int = 5000) -> dict:
    """PSNR of the mean squared error on the evaluation digits, K = 1, in dB.

    `hard`: bits with independent flips at four rates; `soft`: LLRs whose signs have
    these error rates, if the restorer believes LLRs.
    """
    images = evaluation_digits()[:digits]
    soft = pretrained.read_card(name)["restorer"]["soft"]
    quality = {"digits": len(images)}
    for kind in ("hard", "soft") if soft else ("hard",):
        restorer = ConditionalDDPM.from_preset(name, soft=kind == "soft")
        for rate in (0.2, 0.1, 0.05, 0.01):
            llr = received_llr(np.random.default_rng(7), images, rate)
            restored = restorer_output(restorer, llr)
            error = np.mean((restored - images / 255.0) ** 2, dtype="float64")
            key = f"{kind}_psnr_db_at_bit_error_rate_{rate}"
            quality[key] = round(float(-10 * np.log10(error)), 2)
    return quality


def restorer_output(restorer: ConditionalDDPM, llr: np.ndarray) -> np.ndarray:
    """`restorer(llr)` in batches of 100."""
    model = keras.Sequential([keras.Input(llr.shape[1:]), restorer])
    model.compile(jit_compile=False)
    return model.predict(llr, batch_size=100, verbose=0)


def train_classifier(
    folder: Path, steps: int = 4000, seed: int = 1, report: Callable = show_progress
) -> None:
    """Trains and measures the digit classifier."""
    keras.utils.set_random_seed(seed)
    classifier, (images, labels) = ImageClassifier(), digits()

    def batch(step):
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(images), BATCH)
        inputs = shifted(rng, images[chosen], 2).astype("float32") / 255
        return (inputs,), labels[chosen], None

    seconds = fit_classifier(classifier, batch, folder, steps=steps, report=report)
    found = classifier_accuracy(classifier, evaluation_digits(), evaluation_labels())
    card = {
        "cost": cost(seconds),
        "summary": "Digit classifier: class flips and Fréchet classifier distance",
        "data": DATA,
        "recipe": {"name": "digit-classifier", "steps": steps, "seed": seed},
        "quality": {"accuracy": found},
    }
    path = str(Path(folder) / "digit-classifier.npz")
    pretrained.save_model(path, classifier, card)


def fit_classifier(classifier, batch: Callable, folder: Path, **options) -> float:
    """Trains the logits of a classifier on the labels that `batch` gives: seconds."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return train(
        lambda image: classifier(image)[0], batch, folder=folder, loss=loss, **options
    )


def classifier_accuracy(classifier, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of 8-bit images that are classified right."""
    logits, _ = classifier.predict(images / np.float32(255), 100, verbose=0)
    return float(np.mean(logits.argmax(-1) == labels))


def count_levels(folder: Path) -> None:
    """Counts how often each pixel of the training digits has each level."""
    pixels = digits()[0].reshape(-1, 28 * 28)
    counts = [np.bincount(column, minlength=256) for column in pixels.T]
    counts = np.reshape(counts, (28, 28, 1, 256)).astype("uint16")
    card = {
        "summary": "level counts of each pixel of the training digits",
        "data": DATA,
        "recipe": {"name": "pixel-bayes-mnist"},
    }
    path = str(Path(folder) / "pixel-bayes-mnist.npz")
    pretrained.save_arrays(path, {"counts": counts}, card)


RECIPES = {
    "pixel-bayes-mnist": count_levels,
    "digit-classifier": train_classifier,
    "ddpm": functools.partial(
        train_restorer,
        name="ddpm",
        summary="Conditional DDPM on hard or soft bits of digits, any number of steps",
        soft=True,
        cycles=(
            (9000, 1.5e-3, hard_bits, 0.6),
            (4000, 1.5e-3, soft_bits, 0.6),
            (1500, 7.5e-4, mixed_bits, 0.8),
        ),
    ),
    "regression": functools.partial(
        train_restorer,
        name="regression",
        summary="The network of ddpm, trained on as plain L2 regression of hard bits",
        soft=False,
        cycles=((400, 7.5e-4, flipped_bits, 1.0),),
        start="ddpm",
    ),
}
"""Weights name -> function(folder, **overrides)."""
