import keras
import numpy as np
import pytest
from keras import ops

from link_sim.models import pretrained
from link_sim.models.scalable import ScalableDecoder, ScalableEncoder, sent_mask
from link_sim.receivers.scalable import FlowDecoder
from link_sim.recipes import scalable, semantic_quality
from link_sim.recipes.scalable_batches import ScalableTransmission
from link_sim.recipes.table import RECIPES

pytestmark = pytest.mark.usefixtures("eager")
SLOW = pytest.mark.slow
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
SMALL = {"widths": (4, 4), "depths": (1, 1)}


def batch(step=3, size=8, **options):
    return scalable.transmission_batch(step, IMAGES, size, **options)


def test_batch_depends_on_its_number_only():
    for a, b in zip(batch()[0], batch()[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(batch(4)[0][1], batch(5)[0][1])
    assert len(batch(flow=True)[0]) == 4


def test_images_are_moved_by_whole_pixels():
    image = np.arange(2 * 6 * 5).reshape(2, 6, 5, 1)
    found = scalable.moved(image, np.array([[0, 3], [4, 2]]))
    for one, (row, column), whole in zip(found, [(0, 3), (4, 2)], image, strict=True):
        padded = np.pad(whole, ((2, 2), (2, 2), (0, 0)), "reflect")
        expected = padded[row : row + 6, column : column + 5]
        np.testing.assert_array_equal(one, expected)


class Constant(keras.layers.Layer):
    """An encoder whose features are all equal."""

    def call(self, inputs):
        image = inputs[0]
        shape = len(image), image.shape[1] // 4, image.shape[2] // 4, 16
        return ops.ones(shape)


def test_noise_of_a_transmission_is_what_its_weights_say():
    (image, uniforms, normals), _, _ = batch(size=400)
    layer = ScalableTransmission(Constant(), None)
    features, weights, levels, variance = layer.observe(image, uniforms, normals)
    features, weights, levels = map(np.asarray, (features, weights, levels))
    sent = weights > 0
    share = 1 / 8 ** np.clip(1 - (1.1 * uniforms[:, 0] - 0.05), 0, 1)
    np.testing.assert_array_equal(sent, np.asarray(sent_mask(share, 4, 4, 8)) > 0)
    no_eff = 1 / weights[sent] - 1
    for part in np.split(features, 2, axis=-1):
        error = part[sent] / weights[sent] - np.sqrt(0.5)  # of energy 1
        ratio = error**2 / no_eff
        # Gaussian given the channel: variance 1/2; 4 standard errors
        assert abs(ratio.mean() - 0.5) < 4 * np.sqrt(0.5 / ratio.size)
    faded = uniforms[:, 2] < 0.5
    spread = [np.ptp(w[w > 0]) > 1e-6 for w in weights]
    np.testing.assert_array_equal(spread, faded)
    snr_db = -2 + 24 * np.clip(1.1 * uniforms[~faded, 1] - 0.05, 0, 1)
    no = 10 ** (-snr_db / 10)
    np.testing.assert_allclose(levels[~faded, 0], 1 / (1 + no), rtol=1e-4)
    assert np.all(np.asarray(variance) > 0)


def test_divergence_of_a_variational_encoder_is_its_loss():
    encoder = ScalableEncoder(3, 8, outputs=4, **SMALL)
    layer = ScalableTransmission(encoder, ScalableDecoder(3, 8, **SMALL), True)
    inputs, target, _ = batch()
    assert layer(*inputs).shape == target.shape
    assert layer.losses[0].shape == () and float(layer.losses[0]) > 0
    means = scalable.mean_encoder(encoder)
    told = [inputs[0], np.full((8, 2), 0.5, "float32")]
    np.testing.assert_allclose(means(told), encoder(told)[..., :16], atol=1e-6)


@SLOW
@pytest.mark.parametrize("kind", ["vae", "cdiff"])
def test_recipe_leaves_networks_that_load(kind, tmp_path, monkeypatch, untrained):
    def networks(channels, variational):
        encoder = ScalableEncoder(3, 8, outputs=4 if variational else 2, **SMALL)
        return encoder, ScalableDecoder(3, 8, **SMALL)

    flow = scalable.FlowNetwork
    monkeypatch.setattr(scalable, "_networks", networks)
    monkeypatch.setattr(scalable, "FlowNetwork", lambda c: flow(c, **SMALL))
    monkeypatch.setattr(scalable, "training_pictures", lambda: (IMAGES, None))
    monkeypatch.setattr(scalable, "evaluation_pictures", lambda: (IMAGES, None))
    monkeypatch.setattr(semantic_quality, "IMAGES", 20)
    untrained(scalable)
    name = f"semantic-{kind}-cifar10"
    RECIPES[name].open()(tmp_path, steps=10, flow_steps=1, batch=4)
    path = str(tmp_path / f"{name}.npz")
    card = pretrained.read_card(path)
    assert card["recipe"]["name"] == name
    assert card["quality"]["psnr_db_of_16_symbols_1_steps"] > 0
    steps = 4 if kind == "cdiff" else 1
    decoder = FlowDecoder.from_preset(path, num_steps=steps)
    assert decoder.image_shape == (16, 16, 3) and decoder.max_symbols == 128
    assert (tmp_path / f"{card['encoder']}.npz").is_file()
