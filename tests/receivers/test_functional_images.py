"""Blocks that make images between `keras.Input` and other layers, kept in a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.semantic import SemanticDenoiser
from link_sim.models.unet import UNet
from link_sim.receivers import ConditionalDDPM, PixelBayes, SemanticDecoder

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 1)
LLR = 4 * RNG.standard_normal((3, *SHAPE, 8), "float32")
IMAGE = RNG.random((3, *SHAPE), "float32")
SYMBOLS = RNG.standard_normal((3, 2, 4, 2), "float32").view("complex64")[..., 0]
NO = np.full((3, 2, 4), 0.1, "float32")


def semantic(num_steps):
    denoiser = SemanticDenoiser(SHAPE, 8, 2, 0.5, (32, 32), (1, 1))
    return SemanticDecoder(denoiser, SHAPE, 4, num_steps)


def restorer(num_steps, **options):
    network = UNet((8, 8, 11), 17, (32, 32), (1, 1), "float32")
    denoiser = PixelDenoiser(network, 0.6)
    return ConditionalDDPM(denoiser, SHAPE, num_steps=num_steps, **options)


@pytest.mark.parametrize(
    "make, options, data",
    [
        (semantic, {"num_steps": 3}, [SYMBOLS, NO]),
        (restorer, {"num_steps": 1}, [LLR]),
        (restorer, {"num_steps": 2, "eta": 1.0}, [IMAGE]),
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


def test_names_of_receivers_stand_in_graphs():
    """TensorFlow allows no + in the names of scopes."""
    layer = PixelBayes(name="ls+pixel-bayes")
    llr = RNG.standard_normal((1, 28, 28, 1, 8), "float32")
    np.testing.assert_allclose(tf.function(layer)(llr), layer(llr), atol=1e-6)
