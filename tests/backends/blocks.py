"""Calls every generative block on the same numbers, under the backend that Keras has.

Networks that are made for half precision compute in single precision here.

Argument: a file, to which the outputs are written under names.
"""

import json
import sys

import keras
import numpy as np
from sionna.phy.ofdm import PilotPattern, ResourceGrid

from link_sim.models import pretrained
from link_sim.models.cards import read_card
from link_sim.models.pretrained import load_model
from link_sim.receivers import (
    AMPDetector,
    ConditionalDDPM,
    EPDetector,
    FlowDecoder,
    GraphAMPDetector,
    HistogramSource,
    ScalableSymbolEncoder,
    ScoreChannelEstimator,
    SemanticDecoder,
    SymbolEncoder,
    VerifiedDetector,
)
from link_sim.receivers.estimation import mimo
from link_sim.receivers.estimation.plane_messages import plane_vamp
from link_sim.receivers.precoding.calibrated import CalibratedZF
from link_sim.receivers.symbol_denoising import SymbolDenoising

pretrained.read_card = lambda name: json.loads(
    json.dumps(read_card(name)).replace("mixed_bfloat16", "float32")
)  # eight bits of mantissa hide what is to be compared
RNG = np.random.default_rng(7)


def real(*shape) -> np.ndarray:
    return RNG.standard_normal(shape, "float32")


def noise(*shape) -> np.ndarray:
    return (real(*shape) + 1j * real(*shape)) / np.float32(2**0.5)


def grid() -> ResourceGrid:
    mask = np.zeros([1, 2, 14, 64], bool)
    mask[:, :, [2, 11]] = True
    pilots = np.zeros([1, 2, 2, 64], "complex64")
    for stream in range(2):
        turns = RNG.integers(0, 4, [2, 32]) / 4
        pilots[0, stream, :, stream::2] = 2**0.5 * np.exp(2j * np.pi * turns)
    return ResourceGrid(
        14,
        76,
        30e3,
        num_streams_per_tx=2,
        cyclic_prefix_length=6,
        num_guard_carriers=[5, 6],
        dc_null=True,
        pilot_pattern=PilotPattern(mask, pilots.reshape(1, 2, -1)),
    )


def score():
    estimator = ScoreChannelEstimator.from_preset("csi-ofdm", grid())
    return estimator(tensor(noise(3, 1, 4, 14, 76)), 0.5)


def flat(name: str, estimator, receive: int, transmit: int):
    pilots = np.exp(0.5j * np.pi * RNG.integers(0, 4, [3, transmit, transmit]))
    y = noise(3, receive, transmit) * 4
    arguments = (tensor(z.astype("complex64")) for z in (y, pilots))
    return estimator(load_model(name), *arguments, 0.5)


def restored(num_steps: int, soft: bool):
    restorer = ConditionalDDPM.from_preset("ddpm", num_steps, soft=soft)
    llr = 3 * real(2, 28, 28, 1, 8)
    return restorer(tensor(llr), noise=tensor(real(2, restorer.num_draws, 28, 28, 1)))


def bit_planes():
    return load_model("bit-planes")(tensor(3 * real(2, 28, 28, 1, 8)))


def histogram():
    return HistogramSource()(tensor(3 * real(2, 28, 28, 1, 8)))


def digits(decoder: str):
    encode = SymbolEncoder.from_preset("semantic-encoder-mnist")
    decode = SemanticDecoder.from_preset(f"semantic-{decoder}-mnist")
    image = tensor(RNG.random((2, 1, 28, 28, 1), "float32"))
    return decode(encode(image, 64), tensor(np.full((2, 1, 64), 0.2, "float32")))


def pictures():
    encode = ScalableSymbolEncoder.from_preset("semantic-encoder-cifar10")
    decode = FlowDecoder.from_preset("semantic-cdiff-cifar10")
    image = tensor(RNG.random((1, 1, 32, 32, 3), "float32"))
    x = encode(image, 256)
    return x, decode(x, tensor(np.full((1, 1, 256), 0.2, "float32")))


def symbols():
    denoise = SymbolDenoising.from_preset("semantic-symbols-cifar10", 2)
    no_eff = tensor(np.full((1, 1, 256), 0.2, "float32"))
    return denoise(tensor(noise(1, 1, 256)), no_eff)


def plane():
    """One channel of 32 x 32 antennas, a plane wave, and 300 measurements."""
    m = noise(300, 1024) / np.float32(1024**0.5)
    turns = np.add.outer(0.13 * np.arange(32), -0.21 * np.arange(32)).reshape(-1)
    h = np.exp(2j * np.pi * turns)
    return plane_vamp(load_model("csi-near-planes"), (m @ h)[None, :, None], m, 0.1)


def detected(detector):
    h, x = noise(5, 6, 4), np.exp(0.5j * np.pi * (RNG.integers(0, 4, [5, 4, 1]) + 0.5))
    y = (h @ x.astype("complex64"))[..., 0] + np.float32(0.2**0.5) * noise(5, 6)
    s = np.broadcast_to(0.2 * np.eye(6, dtype="complex64"), [5, 6, 6])
    return detector(tensor(y), tensor(h), tensor(s))


def graph_amp():
    return GraphAMPDetector.from_preset("amp-gnn", 2)


def precoder():
    return CalibratedZF.from_preset()(tensor(noise(2, 5, 16)), 0.1)


BLOCKS = {
    "score": score,
    "csi-scm": lambda: flat("csi-scm", mimo.tweedie, 64, 16),
    "csi-clusters": lambda: flat("csi-clusters", mimo.adaptive, 64, 16),
    "ddpm": lambda: restored(1, False),
    "ddpm-3": lambda: restored(3, True),
    "bit-planes": bit_planes,
    "histogram": histogram,
    "cdiff": lambda: digits("cdiff"),
    "ae": lambda: digits("ae"),
    "flow": pictures,
    "cddm": symbols,
    "plane-vamp": plane,
    "amp": lambda: detected(AMPDetector(2)),
    "ep": lambda: detected(EPDetector(2)),
    "amp-gnn": lambda: detected(graph_amp()),
    "amp-gnn, checked": lambda: detected(VerifiedDetector(graph_amp(), EPDetector(2))),
    "nc-zf": precoder,
}


def tensor(x):
    return keras.ops.convert_to_tensor(x)


if __name__ == "__main__":
    outputs = {}
    for name, block in BLOCKS.items():
        RNG = np.random.default_rng(7)
        found = block()
        found = found if isinstance(found, tuple) else (found,)
        for number, output in enumerate(found):
            outputs[f"{name} {number}"] = keras.ops.convert_to_numpy(output)
    np.savez(sys.argv[1], **outputs)
