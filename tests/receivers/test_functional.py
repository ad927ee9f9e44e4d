"""Blocks between `keras.Input` and other layers: symbolic shapes, the same numbers."""

import keras
import numpy as np
import pytest

from link_sim.receivers.catalog import DECODERS, DETECTORS, ESTIMATORS, build_block
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

GRID = {"fft_size": 24, "symbols": 4, "pilot_symbols": [1]}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sender():
    scenario = load_scenario(
        "image", grid=GRID, code={"bits_per_symbol": 2}, antennas={"receive": 4}
    )
    ones = [np.eye(n) for n in (4, scenario.grid.effective_subcarriers, 4)]
    return Transmitter(scenario, (28, 28, 1), lambda: tuple(ones))


def test_estimator_and_detector_stand_between_layers(sender):
    y, no = keras.Input((1, 4, 4, 24), dtype="complex64"), keras.Input(())
    estimator = build_block(ESTIMATORS, "ls", sender)
    detector = build_block(DETECTORS, "linear", sender)
    h_hat, err_var = estimator(y, no)
    llr = keras.layers.Rescaling(0.5)(detector(y, h_hat, err_var, no))
    model = keras.Model([y, no], llr)
    assert h_hat.shape == (None, 1, 4, 1, 2, 4, 16)
    received = RNG.standard_normal((3, 1, 4, 4, 24, 2), "float32").view("complex64")
    data = received[..., 0], np.full(3, 0.1, "float32")
    expected = 0.5 * detector(data[0], *estimator(*data), data[1])
    np.testing.assert_allclose(model(list(data)), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["bp", "sionna-bp", "turbo-histogram"])
def test_decoders_know_their_symbolic_shape(sender, name):
    decoder = build_block(DECODERS, name, sender)
    assert decoder(keras.Input((sender.n,))).shape == (None, sender.k)
