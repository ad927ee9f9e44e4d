"""Training recipes of the networks of detectors, on random channels."""

from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.graph_amp import GraphAMP, rising_cross_entropy
from link_sim.models.training import low_discrepancy
from link_sim.receivers.detection.amp_gnn import GraphAMPDetector
from link_sim.receivers.detection.symbols import level_logits, pam, real_form
from link_sim.recipes.publishing import train_and_publish
from link_sim.world.flat_fading import flat_link, symbol_bits

ANTENNAS = 32
STREAMS = 16, 32
"""What is trained on; all other numbers are unseen."""
CORRELATION = 0.6
PRIOR = 6.0
"""Largest mean of a priori LLRs."""
SNR_DB = {2: ((2, 10), (4, 16)), 4: ((9, 18), (13, 26))}
"""By bits a symbol, of either number of streams without correlation."""
TEST_SEED = 2**30
TEST_SNR_DB = {2: (8, 10), 4: (14, 16, 18)}


def problems(rng, size: int, streams: int, bits: int, snr_db, priors: float):
    """Inputs of the network for a number of streams, and indices of the levels sent."""
    correlation = CORRELATION * rng.random(size) * (np.arange(size) % 2)
    low, high = snr_db
    snr_db = low + (high - low) * low_discrepancy(rng, size) + 8 * correlation
    y, h, no, sent = flat_link(rng, size, ANTENNAS, streams, bits, snr_db, correlation)
    labels = pam(bits)[1]
    prior = apriori(rng, symbol_bits(sent, labels), priors)
    prior = level_logits(prior, labels)
    inputs = *real_form(y, h), no.ravel().astype("float32") / 2, prior
    return [np.asarray(array) for array in inputs], sent


def apriori(rng, b, share: float):
    """LLRs that tell bits b [size, streams, bits] truly, in a share of the problems.

    Gaussian of mean m and variance 2 m (ten Brink 2001), m uniform up to `PRIOR`; they
    are 0 in the other problems.
    """
    mean = PRIOR * rng.random(len(b)) * (rng.random(len(b)) < share)
    mean = mean[:, None, None]
    llr = (2 * b - 1) * mean + np.sqrt(2 * mean) * rng.standard_normal(b.shape)
    return llr.astype("float32")


def batch(step: int, seed: int, size: int, bits: int, priors: float):
    """Inputs and target of one training step: half of each number of streams."""
    rng = np.random.default_rng([seed, step])
    halves = [
        problems(rng, size // 2, streams, bits, snr_db, priors)
        for streams, snr_db in zip(STREAMS, SNR_DB[bits], strict=True)
    ]
    inputs = tuple(array for half in halves for array in half[0])
    return inputs, np.concatenate([half[1] for half in halves], axis=1), None


def over_both(network):
    """The network as a function of the inputs of `batch`, columns of both joined."""
    return lambda *inputs: keras.ops.concatenate(
        [network(*inputs[:4]), network(*inputs[4:])], axis=2
    )


def train_amp_gnn(
    folder: Path,
    name: str,
    bits: int,
    layers: int,
    steps: int,
    size: int = 64,
    priors: float = 0.125,
    learning_rate: float = 3e-3,
    seed: int = 1,
    messages: int = 1,
    corrections: int = 1,
) -> None:
    """Trains and measures the network of the detector `amp-gnn` for square QAM.

    size : vectors of a step; priors : share of them with a priori LLRs; messages,
    corrections : 0 leaves these parts of `GraphAMP` out, to see what they are worth
    """
    keras.utils.set_random_seed(seed)
    network = GraphAMP(pam(bits)[0], layers, bool(messages), bool(corrections))
    train_and_publish(
        folder,
        name,
        over_both(network),
        network,
        batch,
        rising_cross_entropy,
        lambda path: quality(pretrained.load_model(path), bits),
        {"data": "Rayleigh channels, half of them correlated, drawn as needed"},
        steps,
        size,
        learning_rate,
        seed,
        bits=bits,
        priors=priors,
    )


def quality(network, bits: int, vectors: int = 2000) -> dict:
    """Symbol error rates of three streams for four antennas, never trained on."""
    detector, streams = GraphAMPDetector(bits, network), ANTENNAS * 3 // 4
    rng = np.random.default_rng(TEST_SEED)
    measured = {"antennas": ANTENNAS, "streams": streams, "vectors": vectors}
    for snr_db in TEST_SNR_DB[bits]:
        y, h, no, sent = flat_link(rng, vectors, ANTENNAS, streams, bits, snr_db)
        white = (1 / np.sqrt(no)).astype("float32")
        logits = detector.symbol_logits(y * white, h * white[..., None])
        wrong = np.argmax(logits, -1) != sent
        wrong = np.any(np.split(wrong, 2, axis=1), axis=0)
        measured[f"ser_at_{snr_db}_db"] = float(f"{np.mean(wrong):.2e}")
    return measured
