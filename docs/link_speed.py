"""The same coded MIMO-OFDM link in both lines of Sionna: time and memory.

    python docs/link_speed.py [ROUNDS]    # in the environments of the Makefile

2x8 antennas, 64-QAM, rate 1/2, 64 frames a batch. Bits, pilots, paths and noise are
NumPy's, the same in all set-ups. Each set-up runs on one core, in a process of its own,
in turns, so many rounds; prints medians, with the least and most of the rounds.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
BATCH, ANTENNAS, STREAMS, SYMBOLS, CARRIERS = 64, 8, 2, 14, 64
BITS, RATE, WORDS, ITERATIONS = 6, 0.5, 6, 20
SPACING, PATHS = 30e3, 12
CALLS = 9
"""Batches that are timed, after one that compiles."""
EBNO_DB = 14.0
"""Where the least squares estimate loses about one block in thirty."""
SETUPS = {
    "1.2.2, stock, ls": (".venv", "stock", "ls"),
    "1.2.2, stock, score": (".venv", "stock", "score"),
    "1.2.2, ours, ls": (".venv", "ours", "ls"),
    "1.2.2, ours, score": (".venv", "ours", "score"),
    "2.2, stock, ls": (".torch", "stock", "ls"),
    "2.2, stock, ls, compiled": (".torch", "compiled", "ls"),
    "2.2, stock, score": (".torch", "stock", "score"),
}
"""Environment; whose blocks stand around the estimator; the estimator."""


def drawn(k: int, frequencies):
    """Information bits, paths and noise of variance 1: NumPy arrays."""
    rng = np.random.default_rng(1)
    b = rng.integers(0, 2, (BATCH, WORDS, k)).astype("float32")
    angle, doppler = rng.random((2, BATCH, STREAMS, PATHS)) * 2 - 1
    tau = rng.exponential(100e-9, (BATCH, 1, 1, PATHS)).astype("float32")
    gain = noise(rng, BATCH, STREAMS, PATHS) * np.exp(-tau[:, 0] / 200e-9)
    gain /= np.sqrt(np.sum(np.exp(-tau[:, 0] / 100e-9), -1, keepdims=True))
    array = np.exp(1j * np.pi * angle[..., None] * np.arange(ANTENNAS))
    fading = np.exp(2j * np.pi * 30 * doppler[..., None] * np.arange(SYMBOLS) / 28e3)
    a = np.einsum("bsp,bspr,bspt->brspt", gain, array, fading)
    a = a[:, None, :, None].astype("complex64")
    w = noise(rng, BATCH, 1, ANTENNAS, SYMBOLS, frequencies)
    return b, a, tau, w


def pilots():
    """Where they stand on the third and twelfth symbol, and QPSK of energy 2 on the
    subcarriers that a stream has to itself: those of Sionna 2 are drawn anew."""
    mask = np.zeros([1, STREAMS, SYMBOLS, CARRIERS], bool)
    mask[:, :, [2, 11]] = True
    turns = np.random.default_rng(2).integers(0, 4, (2, CARRIERS)) / 4
    sent = 2**0.5 * np.exp(2j * np.pi * (turns + 1 / 8))
    own = np.arange(CARRIERS) % STREAMS == np.arange(STREAMS)[:, None]
    sent = sent * own[:, None]
    return mask, sent.reshape(1, STREAMS, -1).astype("complex64")


def noise(rng, *shape):
    x = rng.standard_normal((*shape, 2), "float32") @ np.array([1, 1j], "complex64")
    return x / np.float32(2**0.5)


def build(blocks: str, estimate: str):
    """The link, a function of what is `drawn` and `no`; its estimator, of y and `no`;
    and the information bits of a codeword."""
    if blocks == "ours" or estimate == "score":
        import link_sim  # noqa: F401  before TensorFlow, of which it sets a switch
    import keras
    from keras import ops
    from sionna.phy.channel import (
        ApplyOFDMChannel,
        cir_to_ofdm_channel,
        subcarrier_frequencies,
    )
    from sionna.phy.fec.ldpc import LDPC5GEncoder
    from sionna.phy.mapping import Mapper
    from sionna.phy.ofdm import (
        LSChannelEstimator,
        PilotPattern,
        ResourceGrid,
        ResourceGridMapper,
    )

    grid = ResourceGrid(
        SYMBOLS,
        CARRIERS + 12,
        SPACING,
        num_streams_per_tx=STREAMS,
        cyclic_prefix_length=6,
        num_guard_carriers=[5, 6],
        dc_null=True,
        pilot_pattern=PilotPattern(*pilots()),
    )
    n = int(grid.num_data_symbols) * STREAMS * BITS // WORDS
    encoder = LDPC5GEncoder(int(RATE * n), n, BITS)
    mapper, to_grid = Mapper("qam", BITS), ResourceGridMapper(grid)
    frequencies = subcarrier_frequencies(CARRIERS + 12, SPACING)
    apply = ApplyOFDMChannel()
    if estimate == "score":
        from link_sim.receivers import ScoreChannelEstimator

        estimator = ScoreChannelEstimator.from_preset("csi-ofdm", grid)
    else:
        estimator = LSChannelEstimator(grid, interpolation_type="lin")
    chain = ours if blocks == "ours" else stock
    equalise, demap, decode = chain(grid, encoder)

    def link(b, a, tau, w, no):
        x = ops.reshape(mapper(encoder(b)), (BATCH, 1, STREAMS, -1))
        h = cir_to_ofdm_channel(frequencies, a, tau, normalize=True)
        y = apply(to_grid(x), h) + ops.cast(ops.sqrt(no), "complex64") * w
        x_hat, no_eff = equalise(y, *estimator(y, no), no)
        b_hat = decode(ops.reshape(demap(x_hat, no_eff), (BATCH, WORDS, n))) > 0
        return b_hat, y

    backend = keras.backend.backend()
    return *(compiled(z, backend, blocks) for z in (link, estimator)), encoder.k


def stock(grid, encoder):
    from sionna.phy.fec.ldpc import LDPC5GDecoder
    from sionna.phy.mapping import Demapper
    from sionna.phy.mimo import StreamManagement
    from sionna.phy.ofdm import LMMSEEqualizer

    equaliser = LMMSEEqualizer(grid, StreamManagement(np.ones([1, 1]), STREAMS))
    decoder = LDPC5GDecoder(encoder, num_iter=ITERATIONS)
    return equaliser, Demapper("app", "qam", BITS), decoder


def ours(grid, encoder):
    from link_sim.receivers import LDPCDecoder, LMMSEEqualizer, QAMDemapper

    decoder = LDPCDecoder(encoder, num_iter=ITERATIONS)
    return LMMSEEqualizer(grid), QAMDemapper("app", BITS), decoder


def compiled(block, backend: str, blocks: str):
    """As users run it: a graph of TensorFlow; PyTorch without gradients."""
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda *z: block(*z), autograph=False)
    import torch

    if blocks == "compiled":
        block = torch.compile(block)
    return torch.inference_mode()(lambda *z: block(*z))


def measure(blocks: str, estimate: str) -> dict:
    """Of one set-up, in this process."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    start = time.process_time()
    link, estimator, k = build(blocks, estimate)
    from keras import ops

    b, *rest = drawn(k, CARRIERS + 12)
    no = np.float32(1 / (BITS * RATE * 10 ** (EBNO_DB / 10)) * ANTENNAS)
    sent = [ops.convert_to_tensor(z) for z in (b, *rest, no)]
    b_hat, y = link(*sent)
    wrong = ops.convert_to_numpy(b_hat) != b.astype(bool)
    return {
        "first": time.process_time() - start,
        "batch": milliseconds(lambda: link(*sent)[0]),
        "memory": memory_mb(),
        "estimate": milliseconds(lambda: estimator(y, sent[-1])[0]),
        "bits": int(b.size),
        "wrong": int(wrong.sum()),
        "blocks": int(wrong.any(-1).sum()),
    }


def milliseconds(function) -> float:
    """Of the processor, the median of several calls after one that compiles."""
    from keras import ops

    times = []
    for _ in range(CALLS + 1):
        ops.convert_to_numpy(function())
        times.append(time.process_time())
    return 1e3 * statistics.median(np.diff(times))


def memory_mb() -> float:
    """The most that this process has held, in MiB, by Linux's VmHWM."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def apart(setup: str) -> dict:
    """`measure` in a process of its own."""
    environment, *_ = SETUPS[setup]
    backend = "torch" if environment == ".torch" else "tensorflow"
    ended = subprocess.run(
        [ROOT / environment / "bin" / "python", __file__, setup],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{setup}: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def row(setup: str, rounds: list[dict]) -> str:
    """Of the table: medians of the rounds."""
    cells = [setup]
    for key in ("first", "batch", "estimate", "memory"):
        seen = sorted(found[key] for found in rounds)
        digits = 1 if key == "first" else 0
        middle, *ends = (
            f"{z:.{digits}f}" for z in (statistics.median(seen), seen[0], seen[-1])
        )
        cells.append(f"{middle} [{', '.join(ends)}]")
    cells += [f"{rounds[0]['wrong']:,}", str(rounds[0]["blocks"])]
    return f"| {' | '.join(cells)} |"


def main(rounds: int) -> None:
    seen = {setup: [] for setup in SETUPS}
    for _ in range(rounds):
        for setup, found in seen.items():
            found.append(apart(setup))
            print(setup, found[-1], file=sys.stderr, flush=True)
    head = "set-up", "first batch [s]", "a batch [ms]", "estimate [ms]"
    head += "memory [MiB]", "bits wrong", "blocks lost"
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    print("\n".join(row(*item) for item in seen.items()))


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "3"
    if asked in SETUPS:
        print(json.dumps(measure(*SETUPS[asked][1:])))
    else:
        main(int(asked))
