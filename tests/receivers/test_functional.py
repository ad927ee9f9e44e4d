"""Blocks between `keras.Input` and other layers: symbolic shapes, the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.catalog import DECODERS, DETECTORS, ESTIMATORS
from link_sim.receivers.entries import build_block
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

GRID = {"fft_size": 24, "symbols": 4, "pilot_symbols": [1]}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sender():
    scenario = load_scenario(
        "image", grid=GRID, code={"bits_per_symbol": 2}, antennas={"receive": 4}
    )
    ones = [np.eye(n) for n in (4, scenario.grid.effective_subcarriers, 4)]
    return Transmitter(scenario, (28, 28, 1), lambda: tuple(ones))


@pytest.mark.parametrize(
    "names",
    [
        ("ls", "linear"),
        pytest.param(("score", "linear"), marks=pytest.mark.slow),
        pytest.param(("lmmse", "ep"), marks=pytest.mark.slow),
    ],
)
def test_estimator_and_detector_stand_between_layers(sender, names, tmp_path):
    y, no = keras.Input((1, 4, 4, 24), dtype="complex64"), keras.Input(())
    estimator = build_block(ESTIMATORS, names[0], sender)
    detector = build_block(DETECTORS, names[1], sender)
    h_hat, err_var = estimator(y, no)
    llr = keras.layers.Rescaling(0.5)(detector(y, h_hat, err_var, no))
    model = keras.Model([y, no], llr)
    assert h_hat.shape == (None, 1, 4, 1, 2, 4, 16)
    received = RNG.standard_normal((3, 1, 4, 4, 24, 2), "float32").view("complex64")
    data = received[..., 0], np.full(3, 0.1, "float32")
    expected = 0.5 * detector(data[0], *estimator(*data), data[1])
    np.testing.assert_allclose(model(list(data)), expected, atol=1e-4)
    model.save(tmp_path / "chain.keras")
    again = keras.models.load_model(tmp_path / "chain.keras")
    np.testing.assert_array_equal(again(list(data)), model(list(data)))


@pytest.mark.parametrize("name", ["linear", "ep"])
def test_gradients_through_detectors_come_without_a_warning(sender, name, caplog):
    """TensorFlow warns of each cast from real to complex numbers that one passes."""
    y = tf.complex(*RNG.standard_normal((2, 2, 1, 4, 4, 24), "float32"))
    h_hat, err_var = build_block(ESTIMATORS, "ls", sender)(y, 0.1)
    detector, scale = build_block(DETECTORS, name, sender), tf.Variable(1.0)
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    with tf.GradientTape() as tape:
        llr = detector(y, h_hat, scale * err_var, 0.1)
    assert tape.gradient(llr, scale) is not None
    logger.removeHandler(caplog.handler)
    assert "imaginary" not in caplog.text


@pytest.mark.graphs
@pytest.mark.slow
def test_joint_decoding_stands_between_layers(sender, tmp_path):
    llr = keras.Input((sender.n,))
    decoder = build_block(DECODERS, "turbo", sender)
    model = keras.Model(llr, keras.layers.Rescaling(0.5)(decoder(llr)))
    number = sender.blocks_per_image * sender.images_per_frame
    data = 4 * RNG.standard_normal((number, sender.n), "float32")
    expected = 0.5 * decoder(data)
    np.testing.assert_allclose(model(data), expected, atol=1e-2)
    model.save(tmp_path / "turbo.keras")
    again = keras.models.load_model(tmp_path / "turbo.keras")
    np.testing.assert_allclose(again(data), expected, atol=1e-2)


@pytest.mark.graphs
@pytest.mark.parametrize("name", ["bp", "sionna-bp", "turbo-histogram"])
def test_decoders_know_their_symbolic_shape(sender, name):
    decoder = build_block(DECODERS, name, sender)
    assert decoder(keras.Input((sender.n,))).shape == (None, sender.k)


@pytest.mark.parametrize(
    "table, name", [(DECODERS, "turbo-histogram"), (DETECTORS, "ep-retry")]
)
def test_what_works_on_what_is_left_says_that_xla_cannot_compile_it(
    sender, table, name
):
    layers = build_block(table, name, sender)._flatten_layers()
    assert not all(layer.supports_jit for layer in layers)
