"""What every block of every slot promises, checked for all of them alike."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers import catalog
from link_sim.receivers.entries import build_block
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

GRID = "grid.fft_size=24", "grid.symbols=4", "grid.pilot_symbols=[1]"
CODE = "code.iterations=3", "code.bits_per_symbol=2"
RNG = np.random.default_rng(0)
START = RNG.bit_generator.state


def normal(*shape):
    return RNG.standard_normal(shape, "float32")


def complex_normal(*shape):
    return ((normal(*shape) + 1j * normal(*shape)) / np.sqrt(2)).astype("complex64")


def covariance(size: int) -> np.ndarray:
    root = complex_normal(size, size).astype("complex128")
    product = root @ root.conj().T + np.eye(size)
    return product / np.trace(product).real * size


@cache
def link() -> Transmitter:
    """Two streams, four antennas in two polarisations, one block an image."""
    antennas = "antennas.receive=4", "antennas.polarisation=dual"
    scenario = load_scenario("image", [*GRID, *CODE, *antennas])
    carriers = scenario.grid.effective_subcarriers
    known = covariance(4), covariance(carriers), covariance(4)
    return Transmitter(scenario, (28, 28, 1), lambda: known)


class Case(NamedTuple):
    """A block, its inputs of three samples, and how far outputs may differ."""

    block: keras.layers.Layer
    inputs: tuple[np.ndarray, ...]
    tolerance: float = 1e-4


def observed() -> tuple[np.ndarray, ...]:
    """y, h_hat, err_var and no of three grids."""
    grid = link().resource_grid
    carriers = grid.num_effective_subcarriers
    h = complex_normal(3, 1, 4, 1, 2, grid.num_ofdm_symbols, carriers)
    y = 2 * complex_normal(3, 1, 4, grid.num_ofdm_symbols, grid.fft_size)
    err_var = 0.1 + 0.1 * RNG.random((1, 1, 1, 1, 2, 1, 1), "float32")
    return y, h, err_var, np.float32(0.1)


def codewords() -> np.ndarray:
    """LLRs of three codewords, some of which are decoded."""
    image = tf.constant(RNG.random((3, 1, 28, 28, 1), "float32"))
    c = link()(image)[1].numpy()
    return (2.2 * (2 * c - 1) + 2 * normal(*c.shape)).astype("float32")


ESTIMATORS = tuple(name for name in catalog.ESTIMATORS if name != "perfect-csi")
ALIKE = "ddpm", "ddpm-soft", "ddpm-soft-ancestral", "vae", "langevin"
"""Other options or weights of a block that is here, too costly to check again, or
random."""
DETECTORS = tuple(name for name in catalog.DETECTORS if name not in ALIKE)
ITERATED = "ep", "sionna-ep", "ep-retry", "amp", "amp-gnn"
"""Detectors whose rounding in single precision grows with their iterations."""
DECODERS = tuple(catalog.DECODERS)
RESTORERS = "pixel-bayes", "regression", "ddpm-ancestral-2"
SEMANTIC = "ae", "cdiff-2"
SYMBOLS = ("cddm-2",)
NAMES = *ESTIMATORS, *DETECTORS, *DECODERS, *RESTORERS, *SEMANTIC, *SYMBOLS
SLOW = (
    "sionna-linear",
    "sionna-bp",
    "sionna-ep",
    "turbo-histogram",
    "turbo",
    "k-best",
    "ep-retry",
    "cancelling",
    "cancelling-ldpc",
    "linearising-ldpc",
    "unrolled",
)
"""Blocks whose graphs take long to compile, or that are made of others."""


def unless_slow(names, slow):
    mark = pytest.mark.slow
    return [pytest.param(name, marks=mark if name in slow else ()) for name in names]


COMPILED = unless_slow(NAMES, SLOW)
READ_AGAIN = unless_slow(NAMES, {*NAMES} - {"score", "linear", "bp", "pixel-bayes"})


@cache
def case(name: str) -> Case:
    RNG.bit_generator.state = START  # whatever was drawn before
    if name in ESTIMATORS:
        y, _, _, no = observed()
        # y of magnitude 2 in float32, through a network and inverses of matrices
        return Case(build_block(catalog.ESTIMATORS, name, link()), (y, no), 2e-3)
    if name in DETECTORS:
        tolerance = 2.0 if name in ITERATED else 1e-3  # of LLRs up to 40
        return Case(build_block(catalog.DETECTORS, name, link()), observed(), tolerance)
    if name in DECODERS:
        block = build_block(catalog.DECODERS, name, link())
        return Case(block, (codewords(),), 1e-2)  # a network in bfloat16
    if name in RESTORERS:
        llr = 4 * normal(3, 28, 28, 1, 8)
        return Case(build_block(catalog.RESTORERS, name), (llr,), 0.05)  # bfloat16
    table, source = catalog.SEMANTIC, "mnist"
    if name in SYMBOLS:
        table, source = catalog.SYMBOLS, "cifar10"
    block = build_block(table, name, find=f"semantic-{{}}-{source}".format)
    no_eff = np.full((3, 1, 16), 0.2, "float32")
    return Case(block, (complex_normal(3, 1, 16), no_eff), 0.05)


@cache
def outputs(name: str) -> tuple[np.ndarray, ...]:
    """What a block computes step by step."""
    block, inputs, _ = case(name)
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    found = as_arrays(block(*inputs))
    tf.config.run_functions_eagerly(eagerly)
    return found


def as_arrays(outputs) -> tuple[np.ndarray, ...]:
    outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return tuple(np.asarray(x) for x in outputs)


def assert_close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_the_contract_covers_the_catalog():
    tables = catalog.SLOTS | {"semantic": catalog.SEMANTIC, "symbols": catalog.SYMBOLS}
    del tables["loop"]  # made of blocks of the other slots
    listed = [name for table in tables.values() for name in table]
    bases = {name.removesuffix("-2") for name in NAMES}
    assert bases | {"perfect-csi", "none", *ALIKE} == set(listed)


@pytest.mark.parametrize("name", COMPILED)
def test_a_batch_of_one_is_a_row_of_a_batch(name):
    block, inputs, tolerance = case(name)
    row = tuple(x[1:2] if x.ndim and len(x) == 3 else x for x in inputs)
    options = {}
    if name.startswith("turbo"):
        options["frame"] = 1  # each frame is interleaved in its own way
    if name in ("ddpm-ancestral-2", "cdiff-2"):
        options["noise"] = block.draw_noise(3, block.seed)[1:2]
    expected = [x[1:2] if len(x) == 3 else x for x in outputs(name)]
    assert_close(as_arrays(block(*row, **options)), expected, tolerance)


@pytest.mark.graphs
@pytest.mark.parametrize("name", COMPILED)
def test_a_graph_computes_what_is_computed_eagerly(name):
    block, inputs, tolerance = case(name)
    traced = tf.function(lambda *tensors: block(*tensors), autograph=False)
    found = as_arrays(traced(*(tf.constant(x) for x in inputs)))
    assert_close(found, outputs(name), tolerance)


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_do_not_mind_the_order_of_antennas(name):
    (block, (y, h_hat, *rest), tolerance), order = case(name), [2, 0, 3, 1]
    found = as_arrays(block(y[:, :, order], h_hat[:, :, order], *rest))
    assert_close(found, outputs(name), tolerance)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_permuted_antennas_permute_the_estimate(name):
    block, (y, no), tolerance = case(name)
    order = [1, 0, 3, 2]  # the other polarisation first
    if name == "lmmse":
        time, frequency, space = block.covariances
        space = space[np.ix_(order, order)]
        block = LMMSEChannelEstimator(block.resource_grid, time, frequency, space)
    expected = [x if x.shape[2] == 1 else x[:, :, order] for x in outputs(name)]
    assert_close(as_arrays(block(y[:, :, order], no)), expected, tolerance)


def read_in_a_fresh_process(folder: Path, names) -> dict[str, list]:
    """What `contract_program` finds: difference and refusal of each block."""
    configs = {}
    for name in names:
        block, inputs, _ = case(name)
        configs[name] = keras.saving.serialize_keras_object(block)
        arrays = {f"input{i}": x for i, x in enumerate(inputs)}
        arrays |= {f"output{i}": x for i, x in enumerate(outputs(name))}
        weights = enumerate(block.get_weights())
        arrays |= {f"weight{i:04}": w for i, w in weights}
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "blocks.json").write_text(json.dumps(configs))
    program = Path(__file__).with_name("contract_program.py")
    ended = subprocess.run(
        [sys.executable, program, folder], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def read_again(request, tmp_path_factory) -> dict[str, list]:
    """Of the blocks that are asked for."""
    items = (i for i in request.session.items if "read_again" in i.fixturenames)
    names = [item.callspec.params["name"] for item in items]
    return read_in_a_fresh_process(tmp_path_factory.mktemp("blocks"), names)


@pytest.mark.parametrize("name", READ_AGAIN)
def test_a_fresh_process_reads_the_same_block_whatever_precision_it_is_set_to(
    name, read_again
):
    difference, refusal = read_again[name]
    assert difference < case(name).tolerance
    single = "turbo", "bussgang", "cancelling", "linearising", "unrolled"
    if name.startswith(single):
        assert "computes in single precision: set" in refusal and "\n" not in refusal
    else:
        assert refusal is None


def test_half_precision_of_a_block_itself_is_refused():
    linear = case("linear").block
    with pytest.raises(ValueError, match="LinearDetector computes in float32, not"):
        type(linear).from_config(linear.get_config() | {"dtype": "mixed_float16"})
