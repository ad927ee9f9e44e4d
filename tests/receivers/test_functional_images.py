"""Blocks that make images between `keras.Input` and other layers, kept in a file."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.scalable import FlowNetwork, ScalableDecoder
from link_sim.models.semantic import SemanticDenoiser
from link_sim.models.unet import UNet
from link_sim.receivers import (
    ConditionalDDPM,
    FlowDecoder,
    PixelBayes,
    SemanticDecoder,
)

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 1)
LLR = 4 * RNG.standard_normal((3, *SHAPE, 8), "float32")
IMAGE = RNG.random((3, *SHAPE), "float32")
SYMBOLS = RNG.standard_normal((3, 2, 4, 2), "float32").view("complex64")[..., 0]
NO = np.full((3, 2, 4), 0.1, "float32")


def semantic(num_steps):
    denoiser = SemanticDenoiser(SHAPE, 8, 2, 0.5, (32, 32), (1, 1))
    return SemanticDecoder(denoiser, SHAPE, 4, num_steps)


def flow(num_steps):
    small = {"widths": (4, 4), "depths": (1, 1)}
    mean = ScalableDecoder(1, 8, **small)
    return FlowDecoder(mean, SHAPE, FlowNetwork(1, **small), num_steps)


def restorer(num_steps, **options):
    network = UNet((8, 8, 11), 17, (32, 32), (1, 1), "float32")
    denoiser = PixelDenoiser(network, 0.6)
    return ConditionalDDPM(denoiser, SHAPE, num_steps=num_steps, **options)


@pytest.mark.parametrize(
    "make, options, data",
    [
        (semantic, {"num_steps": 3}, [SYMBOLS, NO]),
        pytest.param(flow, {"num_steps": 1}, [SYMBOLS, NO], marks=pytest.mark.slow),
        (flow, {"num_steps": 3}, [SYMBOLS, NO]),
        (restorer, {"num_steps": 1}, [LLR]),
        pytest.param(
            restorer, {"num_steps": 2, "eta": 1.0}, [IMAGE], marks=pytest.mark.slow
        ),
    ],
)
def test_images_are_made_between_layers(make, options, data, tmp_path):
    block = make(**options)
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in data]
    image = block(*inputs)
    model = keras.Model(inputs, keras.layers.Rescaling(2.0)(image))
    model.set_weights([0.1 * RNG.standard_normal(w.shape) for w in model.weights])
    expected = 2 * block(*data)
    assert image.shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(data), expected)


@pytest.mark.slow
def test_a_fresh_process_reads_what_was_saved_to_the_last_digit(tmp_path):
    """After `import link_sim` alone, a restorer and the network in it by itself."""
    block = restorer(num_steps=2)
    inputs = keras.Input(IMAGE.shape[1:])
    model = keras.Model(inputs, block(inputs))
    network = block.denoiser.network
    for part in (model, network):
        part.set_weights([0.1 * RNG.standard_normal(w.shape) for w in part.weights])
    model.save(tmp_path / "restorer.keras")
    network.save(tmp_path / "network.keras")
    x, level = RNG.standard_normal((3, 8, 8, 11), "float32"), np.ones((3, 1), "float32")
    np.savez(tmp_path / "inputs.npz", image=IMAGE, x=x, level=level)
    code = (
        "import link_sim, keras, numpy as np\n"
        "a = np.load('inputs.npz')\n"
        "restored = keras.models.load_model('restorer.keras')(a['image'])\n"
        "network = keras.models.load_model('network.keras')([a['x'], a['level']])\n"
        "np.savez('found.npz', restored=restored, network=network)\n"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_array_equal(found["restored"], model(IMAGE))
        np.testing.assert_array_equal(found["network"], network([x, level]))


def test_names_of_receivers_stand_in_graphs():
    """TensorFlow allows no + in the names of scopes."""
    layer = PixelBayes(name="ls+pixel-bayes")
    llr = RNG.standard_normal((1, 28, 28, 1, 8), "float32")
    np.testing.assert_allclose(tf.function(layer)(llr), layer(llr), atol=1e-6)
