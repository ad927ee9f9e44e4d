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
    assert len(batch(flow=True)[0]) == 6


def test_whole_images_are_moved_by_whole_pixels():
    image = np.arange(2 * 6 * 6, dtype="float32").reshape(2, 6, 6, 1)
    places = np.array([[0, 0.74], [0.99, 0.5]])  # of 4 pixels of room
    found = scalable.cut(image, places, np.ones(2))
    for one, (row, column), whole in zip(found, [(0, 3), (4, 2)], image, strict=True):
        padded = np.pad(whole, ((2, 2), (2, 2), (0, 0)), "reflect")
        expected = padded[row : row + 6, column : column + 6]
        np.testing.assert_allclose(one, expected, atol=1e-5)


def test_parts_are_enlarged_by_an_interpolation_that_keeps_parabolas():
    rows, columns = np.mgrid[:12, :12].astype("float32")
    image = (rows**2 - 3 * rows * columns)[None, ..., None] / 100
    found = scalable.cut(image, np.array([[0.5, 0.25]]), np.array([0.5]))[0, ..., 0]
    # parts of 6 pixels that start at 3 and 1.5, in steps of a half
    steps = (np.arange(12) + 0.5) / 2 - 0.5
    r, c = 3 + steps[:, None], 1.5 + steps[None]
    np.testing.assert_allclose(found, (r**2 - 3 * r * c) / 100, atol=1e-5)


class Constant(keras.layers.Layer):
    """An encoder whose features are all equal."""

    def call(self, inputs):
        image = inputs[0]
        shape = len(image), image.shape[1] // 4, image.shape[2] // 4, 32
        return ops.ones(shape)


def test_noise_of_a_transmission_is_what_its_weights_say():
    (image, uniforms, blocks, normals, _), _, _ = batch(size=400)
    layer = ScalableTransmission(Constant(), None)
    features, weights, levels = layer.observe(image, uniforms, blocks, normals)
    features, weights, levels = map(np.asarray, (features, weights, levels))
    sent = weights > 0
    drawn = np.where(uniforms[:, 4] < 0.5, blocks[:, 0, 0], uniforms[:, 0])
    share = 1 / 64 ** np.clip(1 - (1.1 * drawn - 0.05), 0, 1)
    share = np.tile(share[:, None, None], (1, 4, 4))  # 16 pixels are one block
    np.testing.assert_array_equal(sent, np.asarray(sent_mask(share, 16)) > 0)
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
    np.testing.assert_allclose(levels[~faded, 0, 0, 0], 1 / (1 + no), rtol=1e-4)


def test_stated_variance_of_the_error_is_trained_by_its_likelihood():
    networks = ScalableEncoder(3, 16, **SMALL), ScalableDecoder(3, 16, **SMALL)
    layer = ScalableTransmission(*networks)
    image, *rest, detail = map(ops.convert_to_tensor, batch()[0])
    weighted = np.asarray(layer(image, *rest, detail))
    mean, log_variance, _, expected = map(np.asarray, layer.transmit(image, *rest))
    variance = np.exp(log_variance) * expected[:, None, None]
    energy = ((mean - np.asarray(image)) ** 2).mean(axis=-1)
    whole = (expected * np.asarray(detail))[:, None, None]
    np.testing.assert_allclose((weighted**2).mean(axis=-1), energy / whole, rtol=1e-4)
    surprise = np.mean(np.log(variance / whole) + energy / variance)
    assert float(layer.losses[0]) == pytest.approx(0.03 * surprise, rel=1e-3)


def test_divergence_of_a_variational_encoder_is_its_loss():
    encoder = ScalableEncoder(3, 16, outputs=4, **SMALL)
    layer = ScalableTransmission(encoder, ScalableDecoder(3, 16, **SMALL), True)
    inputs, target, _ = batch()
    assert layer(*inputs).shape == target.shape
    assert layer.losses[0].shape == () and float(layer.losses[0]) > 0
    means = scalable.mean_encoder(encoder)
    told = [inputs[0], np.full((8, 4, 4, 2), 0.5, "float32")]
    np.testing.assert_allclose(means(told), encoder(told)[..., :32], atol=1e-6)


@SLOW
def test_an_encoder_is_trained_for_a_decoder_that_stays(tmp_path, monkeypatch):
    networks = ScalableEncoder(3, 16, **SMALL), ScalableDecoder(3, 16, **SMALL)
    first = [network.get_weights() for network in networks]
    monkeypatch.setattr(scalable, "_networks", lambda *_: (networks[0], None))
    monkeypatch.setattr(scalable, "load_model", lambda _: networks[1])
    monkeypatch.setattr(scalable, "training_pictures", lambda: (IMAGES, None))
    RECIPES["semantic-encoder-cifar10"].open()(tmp_path, steps=3, batch=4)
    path = str(tmp_path / "semantic-encoder-cifar10.npz")
    assert pretrained.read_card(path)["decoder"] == "semantic-ae-cifar10"
    for kept, now in zip(first[1], networks[1].get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)
    moved = zip(first[0], pretrained.load_model(path).get_weights(), strict=True)
    assert any(not np.array_equal(old, new) for old, new in moved)


@SLOW
@pytest.mark.parametrize("kind", ["vae", "cdiff"])
def test_recipe_leaves_networks_that_load(kind, tmp_path, monkeypatch, untrained):
    def networks(channels, variational):
        encoder = ScalableEncoder(3, 16, outputs=4 if variational else 2, **SMALL)
        return encoder, ScalableDecoder(3, 16, **SMALL)

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
    assert decoder.image_shape == (16, 16, 3) and decoder.max_symbols == 256
    assert (tmp_path / f"{card['encoder']}.npz").is_file()
