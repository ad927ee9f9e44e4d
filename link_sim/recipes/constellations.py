"""The recipe of constellations: learned end to end over white noise, by bit metric."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.constellation import (
    ConstellationDemapper,
    TrainableConstellation,
)
from link_sim.recipes.publishing import publish, train_in_cycles

NODES = 10
"""Of the noise, along each of its dimensions, in a step."""


class WhiteNoise(keras.layers.Layer):
    """LLRs of a symbol's bits that were sent over white noise: bits, noise -> llr.

    bits : [batch, bits], noise : [batch, 1, 2], real and imaginary part, of variance 1
    per complex dimension
    """

    def __init__(self, constellation, esno_db, **kwargs):
        super().__init__(**kwargs)
        self.demapper = ConstellationDemapper(constellation)
        self.no = 10 ** (-esno_db / 10)

    def call(self, bits, noise):
        noise = tf.complex(noise[..., 0], noise[..., 1])
        x = self.demapper.constellation(bits)
        return self.demapper(x + np.sqrt(self.no) * noise, self.no)


def train_constellation(
    folder: Path,
    bits: int = 6,
    esno_db: float = 8.95,
    spread: float = 0.1,
    steps: int = 800,
    seed: int = 1,
) -> None:
    """Trains `constellation-64` for rate 1/2; `link-sim train` calls it.

    A step takes all labels with all nodes of a Gauss-Hermite quadrature of the noise:
    its loss is the bit metric itself, without the noise of a sample.

    bits : per symbol. esno_db : Es/N0 of the training [dB]. spread : of the noise that
    the points of QAM are moved by at first, per real dimension.
    """
    constellation = TrainableConstellation(bits)
    rng = np.random.default_rng(seed)
    moved = constellation.get_weights()[0]
    constellation.set_weights([moved + spread * rng.standard_normal(moved.shape)])

    noise, weight = white_noise(NODES)
    parts = np.stack([noise.real, noise.imag], -1).astype("float32")
    labels = np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1
    sent = np.repeat(labels, len(noise), 0).astype("float32")
    weights = np.tile(weight * len(noise), 2**bits).astype("float32")
    data = (sent, np.tile(parts, (2**bits, 1))[:, None]), sent, weights

    seconds = train_in_cycles(
        WhiteNoise(constellation, esno_db),
        [(steps, 0.02, lambda step, seed: data)],
        folder,
        seed,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        ema_momentum=0.98,
    )
    name = f"constellation-{2**bits}"
    numbers = {"esno_db": esno_db, "spread": spread, "steps": steps, "seed": seed}
    card = {
        "data": "all labels over white noise, by quadrature",
        "recipe": {"name": name, **numbers},
    }
    publish(folder, name, constellation, card, seconds, measure=needed_esno)


def needed_esno(path: str) -> dict[str, float]:
    """Es/N0 [dB] at which bits hold half of what they carry, of `path` and of QAM.

    By the bit metric, which a demapper without feedback can reach.
    """
    learned = TrainableConstellation.from_preset(path)
    qam = TrainableConstellation(learned.num_bits_per_symbol)
    levels = {"esno_db": learned, "esno_db_of_qam": qam}
    return {name: round(_crossing(x), 3) for name, x in levels.items()}


def bit_metric_rate(constellation, esno_db: float, nodes: int = 16) -> float:
    """Information [bit] that the LLRs of a symbol carry over white noise.

    sum over bits of 1 - E[log2(1 + exp(-(2b - 1) llr))] (Caire, Taricco and Biglieri
    1998, eq. 10), the noise by Gauss-Hermite quadrature.
    """
    noise, weight = white_noise(nodes)
    no = np.float32(10 ** (-esno_db / 10))
    bits = constellation.num_bits_per_symbol
    labels = np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1
    y = constellation.points.numpy()[:, None] + np.sqrt(no) * noise
    llr = ConstellationDemapper(constellation)(tf.constant(y, tf.complex64), no).numpy()
    llr = llr.reshape(len(labels), -1, bits).astype("float64")
    lost = np.logaddexp(0, -(2 * labels[:, None] - 1) * llr) / np.log(2)
    return bits - float(np.einsum("xnb,n->", lost, weight) / len(labels))


def white_noise(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise of variance 1 per complex dimension as [nodes**2] points and weights."""
    node, weight = np.polynomial.hermite.hermgauss(nodes)
    noise = (node[:, None] + 1j * node).ravel()
    return noise, (weight[:, None] * weight / np.pi).ravel()


def _crossing(constellation) -> float:
    low, high = -5.0, 30.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        rate = bit_metric_rate(constellation, middle)
        enough = rate > constellation.num_bits_per_symbol / 2
        low, high = (low, middle) if enough else (middle, high)
    return high
