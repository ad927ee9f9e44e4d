"""What blocks outside a link promise: MIMO, soundings, precoders, symbol detectors."""

import json
from functools import cache
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.engine.batches import cut
from link_sim.experiments.sounding import Sounding
from link_sim.models.pretrained import load_model
from link_sim.models.spectral import SpectralDenoiser
from link_sim.models.stationary_mixture import StationaryMixtureDenoiser
from link_sim.receivers import catalog
from link_sim.receivers.entries import build_block
from link_sim.receivers.estimation.coarse import converter
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")

RECEIVE, TRANSMIT = 4, 8
SHAPES = {"nc-published": (75, 1024)}
"""Users and antennas of a precoder's own network."""
COSTLY = (
    *("langevin", "score-langevin", "score-posterior", "nc-published"),
    *("amp", "amp-gnn", "ep-retry", "spectrum", "p-sigw", "sbl", "plane-vamp"),
)
PROBED = "score-vamp", "score"
"""Estimators whose steps hang on a random probe, which is another for each batch."""
DETECTORS = tuple(name for name in catalog.SYMBOL_DETECTORS if name != "langevin")
ITERATED = {"wmmse": "wmmse-7", "r-wmmse": "r-wmmse-7"}
"""Precoders of so many iterations."""
PLANAR = "spectrum", "score"
SOUNDED = {name: "near-field" for name in catalog.SOUNDING}
SOUNDED |= dict.fromkeys(PLANAR, "um-mimo") | {"plane-vamp": "um-mimo-near"}


def each(table):
    mark = pytest.mark.slow
    return [pytest.param(x, marks=mark if x in COSTLY else ()) for x in table]


def normal(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)).astype("complex64")


@cache
def layer(table, name):
    """A detector of two streams, or a precoder, and its inputs of three samples."""
    rng = np.random.default_rng(0)
    if table == "precoders":
        h = normal(rng, 3, *SHAPES.get(name, (5, 8)))
        return build_block(catalog.PRECODERS, ITERATED.get(name, name)), (
            h,
            np.float32(0.3),
        )
    symbols = SimpleNamespace(num_bits_per_symbol=2)
    y, h, root = 2 * normal(rng, 3, 6), normal(rng, 3, 6, 2), normal(rng, 3, 6, 6)
    s = 0.05 * (root @ root.conj().swapaxes(1, 2) + np.eye(6))
    return build_block(catalog.SYMBOL_DETECTORS, name, symbols), (y, h, s)


def close(name, found, expected):
    # LLRs up to 200, of iterations in single precision
    tolerance = 1e-3 if name in catalog.PRECODERS else 2.0
    np.testing.assert_allclose(found, expected, atol=tolerance)


LAYERS = [
    pytest.param(kind, name, marks=pytest.mark.slow if name in COSTLY else ())
    for kind, names in (("precoders", catalog.PRECODERS), ("symbols", DETECTORS))
    for name in names
]


@pytest.mark.parametrize("table, name", LAYERS)
def test_layers_treat_rows_alone_and_are_read_again(table, name):
    block, inputs = layer(table, name)
    outputs = np.asarray(block(*inputs))
    row = (x[1:2] if x.ndim else x for x in inputs)
    close(name, block(*row), outputs[1:2])
    text = json.dumps(keras.saving.serialize_keras_object(block))
    same = keras.saving.deserialize_keras_object(json.loads(text))
    same(*inputs)  # builds it
    same.set_weights(block.get_weights())
    np.testing.assert_array_equal(same(*inputs), outputs)
    with pytest.raises(ValueError, match="computes in float32"):
        type(block).from_config(block.get_config() | {"dtype": "mixed_float16"})


@pytest.mark.graphs
@pytest.mark.slow
@pytest.mark.parametrize("table, name", LAYERS)
def test_graphs_of_layers_compute_what_is_computed_eagerly(table, name):
    block, inputs = layer(table, name)
    tf.config.run_functions_eagerly(True)
    expected = np.asarray(block(*inputs))
    tf.config.run_functions_eagerly(False)
    traced = tf.function(lambda *tensors: block(*tensors), autograph=False)
    close(name, traced(*map(tf.constant, inputs)), expected)


@pytest.mark.parametrize("name", each(DETECTORS))
def test_symbol_detectors_do_not_mind_the_order_of_antennas(name):
    (block, (y, h, s)), order = layer("symbols", name), [2, 0, 5, 3, 1, 4]
    found = block(y[:, order], h[:, order], s[:, order][:, :, order])
    close(name, found, block(y, h, s))


@cache
def ensemble():
    """A `MimoContext` of 8 antennas that send to 4, with its observation."""
    rng = np.random.default_rng(0)
    shipped = load_model("csi-clusters")
    lengths = {"lengths": (TRANSMIT, RECEIVE)}
    spectral = SpectralDenoiser.from_config(shipped.get_config() | lengths)
    spectral.set_weights(shipped.get_weights())

    spectrum = rng.random((2 * RECEIVE, 2 * TRANSMIT)) ** 12
    spectra = [spectrum / spectrum.sum()]
    denoiser = StationaryMixtureDenoiser(spectra, (RECEIVE, TRANSMIT))
    c = covariance(normal(rng, RECEIVE * TRANSMIT, RECEIVE * TRANSMIT))
    pilots = np.exp(-2j * np.pi * np.outer(*[np.arange(TRANSMIT)] * 2) / TRANSMIT)
    pilots = np.broadcast_to(pilots, (3, TRANSMIT, TRANSMIT)).astype("complex64")
    y = normal(rng, 3, RECEIVE, TRANSMIT) @ pilots
    y = y + 0.3 * normal(rng, *y.shape)
    known = SimpleNamespace(
        orthogonal=True,
        converter_bits=3,
        average=[covariance(normal(rng, n, n)) for n in (RECEIVE, TRANSMIT)],
        denoiser=denoiser,
        spectral=spectral,
        covariances=lambda: [c],
    )
    return known, (y, pilots, np.float32(0.1))


def covariance(root):
    return root @ root.conj().swapaxes(-1, -2) / root.shape[-1]


def mimo(name, rows=slice(None)):
    """Estimate and variance of some rows, each of whose ends has covariances."""
    known, (y, pilots, no) = ensemble()
    ends = []
    if name in catalog.COVARIANCE:
        roots = (normal(np.random.default_rng(n), 3, n, n) for n in (RECEIVE, TRANSMIT))
        ends = [covariance(root)[rows] for root in roots]
    if name in catalog.COARSE:
        y, pilots = (z / np.sqrt(TRANSMIT) for z in (y, pilots))
        quantiser = converter(known.converter_bits, no)
        y = quantiser(y.real) + 1j * quantiser(y.imag)
    estimator = build_block(catalog.MIMO, name, known)
    return map(np.asarray, estimator(y[rows], pilots[rows], no, *ends))


@pytest.mark.parametrize("name", each(catalog.MIMO))
def test_mimo_estimators_treat_rows_alone(name):
    (h_hat, err_var), (alone, stated) = mimo(name), mimo(name, slice(1, 2))
    assert h_hat.shape == (3, RECEIVE, TRANSMIT)
    assert np.broadcast_to(err_var, h_hat.shape).shape == h_hat.shape
    gap = np.mean(np.abs(h_hat[1] - alone[0]) ** 2)
    random = name in COSTLY or name in PROBED
    assert gap < (np.mean(stated) if random else 1e-6 * np.mean(np.abs(alone) ** 2))
    assert np.all(err_var > 0)


@cache
def sounding(name):
    small = ["array.antennas=[32]", "waves.paths=1", "combiner.chains=2"]
    if name in PLANAR:
        small = ["array.antennas=[4, 4]", "prior.snapshots=8", "combiner.chains=8"]
    if name == "plane-vamp":
        small = ["combiner.chains=40"]  # one measurement in 25 antennas: few rounds
    settings = [*small, "batch_size=3", f"receivers=['{name}']"]
    scenario = load_scenario(SOUNDED[name], settings)
    scenario = scenario.built_for(scenario.sweep.points[0])
    experiment = Sounding(scenario)
    return experiment, experiment.draw(scenario, 0)


@pytest.mark.parametrize("name", each(SOUNDED))
def test_soundings_treat_rows_alone(name):
    experiment, world = sounding(name)
    ((h_hat, err_var),) = experiment.receive(world).values()
    ((alone, stated),) = experiment.receive(cut(world, 3, 1, 2)).values()
    assert h_hat.shape == world.h.shape
    np.testing.assert_allclose(h_hat[1:2], alone, atol=1e-3)
    stated = np.broadcast_to(stated, (1, *np.shape(stated)[1:]))
    whole = np.broadcast_to(err_var, (3, *np.shape(err_var)[1:]))
    np.testing.assert_allclose(whole[1:2], stated, rtol=1e-2)
