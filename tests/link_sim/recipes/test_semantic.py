import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.receivers.semantic import SIGMA_INFINITE, SemanticDecoder
from link_sim.recipes import semantic, semantic_quality
from link_sim.recipes.semantic_batches import Transmission, draw_channel, semantic_batch
from link_sim.recipes.table import RECIPES

pytestmark = pytest.mark.usefixtures("eager")

SLOW = pytest.mark.slow
IMAGES = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)


def batch(step=3):
    return semantic_batch(step, IMAGES, 130, 0.6, last_level=0.5)


def test_batch_depends_on_its_number_only():
    for a, b in zip(batch()[0], batch()[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(batch(step=4)[1], batch(step=5)[1])


def test_half_of_a_batch_asks_for_the_estimate_from_the_symbols_alone():
    (image, x, sigma, *_), x0, weight = batch()
    np.testing.assert_allclose(x0, 2 * image - 1, atol=1e-6)
    alone = np.ravel(sigma) == SIGMA_INFINITE
    assert alone.mean() == 0.5
    assert not x[alone].any()
    rest = np.ravel(sigma)[~alone]
    assert 0.01 <= rest.min() < 0.012 and 1.6 < rest.max() <= 2
    error = np.std((x - x0)[~alone], axis=(1, 2, 3)) / rest
    np.testing.assert_allclose(error, 1, atol=4 / np.sqrt(2 * 784))
    assert np.all(weight > 1 / 0.6**2)


def test_noise_of_the_channel_is_what_no_eff_says():
    rng, counts = np.random.default_rng(0), np.full(4000, 16)
    channel = draw_channel(rng, counts, 20)
    assert np.all(np.isinf(channel.no_eff[:, 16:]))
    no_eff, error = channel.no_eff[:, :16], channel.noise[:, :16]
    ratio = np.abs(error) ** 2 / no_eff
    # complex Gaussian given the channel: variance 1 per symbol
    assert abs(ratio.mean() - 1) < 4 / np.sqrt(4000 * 16)
    parts = [part**2 / no_eff for part in (error.real, error.imag)]
    for part in parts:
        assert abs(part.mean() - 0.5) < 4 / np.sqrt(4000 * 16)
    awgn = np.ptp(no_eff, axis=1) == 0
    assert abs(awgn.mean() - 0.5) < 4 * np.sqrt(0.25 / 4000)
    assert no_eff[awgn].min() == pytest.approx(10**-2.2, rel=1e-2)


def test_means_of_a_variational_encoder_are_kept():
    encoder = SemanticEncoder((28, 28, 1), 8, (4, 4, 4, 4))
    means = semantic.mean_encoder(encoder, 2)
    image = IMAGES[:3].astype("float32") / 255
    np.testing.assert_allclose(means(image), encoder(image)[:, :4], atol=1e-6)


def test_divergence_of_a_variational_encoder_is_its_loss():
    encoder = SemanticEncoder((28, 28, 1), 4 * 130, (4, 4, 4, 4))
    denoiser = SemanticDenoiser((28, 28, 1), 260, 2, 0.6, (32, 32), (1, 1))
    layer = Transmission(encoder, denoiser, variational=True)
    inputs, x0, _ = batch()
    assert layer(*inputs).shape == x0.shape
    mean, log_var = np.split(np.asarray(encoder(inputs[0])), 2, axis=-1)
    slow = [
        np.sum(np.exp(v) / 2 + m**2 / 2 - 1 / 2 - v / 2)
        for m, v in zip(mean, log_var, strict=True)
    ]
    assert float(layer.losses[0]) == pytest.approx(2 * np.mean(slow) / 784, rel=1e-4)


@SLOW
@pytest.mark.parametrize("kind", ["vae", "cdiff"])
def test_recipe_leaves_encoder_and_decoder_that_load(
    kind, tmp_path, monkeypatch, untrained
):
    monkeypatch.setattr(semantic, "digits", lambda: (IMAGES, None))
    monkeypatch.setattr(semantic, "evaluation_digits", lambda: IMAGES)
    monkeypatch.setattr(semantic, "ENCODER_WIDTHS", (4, 4, 4, 4))
    monkeypatch.setattr(semantic_quality, "IMAGES", 20)
    monkeypatch.setattr(semantic, "START_BATCHES", 2)
    untrained(semantic)
    name = f"semantic-{kind}-mnist"
    RECIPES[name].open()(tmp_path, steps=1, decoder_steps=1)
    path = str(tmp_path / f"{name}.npz")
    card = pretrained.read_card(path)
    assert card["recipe"]["name"] == name
    assert card["cost"]["cores"] >= 1
    assert card["quality"]["psnr_db_of_16_symbols_1_steps"] > 0
    assert SemanticDecoder.from_preset(path).max_symbols == 131
    encoder = pretrained.load_model(str(tmp_path / f"{card['encoder']}.npz"))
    assert encoder.output_shape == (None, 262)
