import keras
import numpy as np
import pytest
from keras import ops

from link_sim.models import pretrained
from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.unet import UNet
from link_sim.receivers.images.restoration import ConditionalDDPM, condition_planes

pytestmark = pytest.mark.usefixtures("eager")

SHAPE = (8, 8, 1)
RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, (3, *SHAPE))
BIT_VALUES = 2.0 ** np.arange(7, -1, -1, dtype="float32")
IMAGE = (LEVELS / 255).astype("float32")
BITS = np.unpackbits(LEVELS[..., None].astype("uint8"), axis=-1)
LLR = (4 * (2.0 * BITS - 1) + 3 * RNG.standard_normal(BITS.shape)).astype("float32")


def restorer(num_steps=1, soft=True, **options):
    """One with random weights: enough for every property but quality."""
    network = UNet((8, 8, 11), 17, (32, 64), (1, 1), "float32")
    rng = np.random.default_rng(1)
    network.set_weights(
        [0.1 * rng.standard_normal(w.shape) for w in network.get_weights()]
    )
    denoiser = PixelDenoiser(network, 0.6)
    return ConditionalDDPM(denoiser, SHAPE, soft, num_steps=num_steps, **options)


def test_condition_is_the_posterior_of_independent_bits():
    p = 1 / (1 + np.exp(-LLR.astype("float64")))
    mean = (p * BIT_VALUES).sum(-1) / 255
    variance = (p * (1 - p) * BIT_VALUES**2).sum(-1) / 255**2
    y, condition = condition_planes(ops.tanh(LLR / 2))
    assert condition.shape == (3, 8, 8, 10)
    np.testing.assert_allclose((y + 1) / 2, mean, atol=1e-6)
    np.testing.assert_allclose(condition[..., 9:], 2 * np.sqrt(variance), atol=1e-3)
    np.testing.assert_allclose(
        condition[..., :8], np.tanh(LLR / 2)[..., 0, :], atol=1e-6
    )


@pytest.mark.parametrize("num_steps", [1, 3])
@pytest.mark.parametrize("soft", [False, True])
def test_verified_bits_are_kept(num_steps, soft):
    layer = restorer(num_steps, soft)
    sure = np.where(BITS == 1, np.inf, -np.inf).astype("float32")
    np.testing.assert_allclose(layer(sure), IMAGE, atol=1e-6)
    half = np.where(np.arange(8) < 4, sure, LLR)
    image_hat = ops.convert_to_numpy(layer(half))
    kept = np.floor(image_hat * 255 / 16 + 1e-3) == LEVELS // 16
    assert np.all(kept | np.isclose(image_hat * 255, LEVELS // 16 * 16 + 15))
    top = np.where(np.arange(8) < 4, BITS * BIT_VALUES, 0).sum(-1) / 255
    assert np.all(image_hat >= top - 1e-6) and np.all(
        image_hat <= top + 15 / 255 + 1e-6
    )


def test_hard_restorer_sees_only_signs_and_accepts_images():
    layer = restorer(soft=False)
    decided = (BIT_VALUES * (LLR > 0)).sum(-1) / 255
    np.testing.assert_allclose(layer(LLR), layer(5 * LLR), atol=1e-6)
    np.testing.assert_allclose(layer(LLR), layer(decided), atol=1e-6)


def test_soft_restorer_uses_reliability():
    layer = restorer()
    assert np.abs(layer(LLR) - layer(0.2 * LLR)).max() > 1e-3


def test_noise_is_an_argument_or_that_of_the_seed():
    layer = restorer(4, eta=1.0, seed=5)
    first = layer(LLR)
    np.testing.assert_array_equal(layer(LLR), first)
    np.testing.assert_array_equal(layer(LLR, noise=layer.draw_noise(3, 5)), first)
    other = layer(LLR, noise=layer.draw_noise(3, 6))
    assert np.abs(other - first).max() > 1e-3


@pytest.mark.parametrize("seed", [4, 2**31 - 3])
def test_noise_is_that_of_a_generator_of_the_seed(seed):
    """As batches have it that were counted with generators."""
    for eta, draws in ((0.0, 1), (1.0, 4)):
        noise = restorer(4, eta=eta).draw_noise(3, seed)
        generator = keras.random.SeedGenerator(seed)
        whole = keras.random.normal((4, 3, *SHAPE), seed=generator)
        np.testing.assert_array_equal(noise, np.moveaxis(whole[:draws], 0, 1))


def test_part_of_a_batch_gets_the_noise_that_it_has_in_the_batch():
    layer = restorer(4, eta=1.0)
    noise = layer.draw_noise(3, seed=4)
    whole = layer(LLR, noise=noise)
    np.testing.assert_allclose(layer(LLR[1:], noise=noise[1:]), whole[1:], atol=1e-4)


def test_one_step_is_deterministic():
    layer = restorer(1)
    np.testing.assert_array_equal(layer(LLR), layer(LLR))


def test_several_samples_differ():
    samples = restorer(3).samples(LLR, 4)
    assert samples.shape == (4, 3, *SHAPE)
    assert np.all(np.std(samples, axis=0).max(axis=(1, 2, 3)) > 0)


def test_batch_of_one_equals_a_row_of_a_batch():
    layer = restorer()
    np.testing.assert_allclose(layer(LLR[1:2])[0], layer(LLR)[1], atol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_inside_a_model_with_unknown_batch_size(num_steps):
    layer = restorer(num_steps)
    model = keras.Sequential([keras.Input((*SHAPE, 8)), layer])
    assert model.output_shape == (None, *SHAPE)
    assert len(model.trainable_weights) == len(layer.denoiser.trainable_weights) > 0
    compiled = model.predict(LLR, verbose=0)
    np.testing.assert_allclose(compiled, layer(LLR), atol=1e-4)


def test_preset_and_config_round_trips(tmp_path):
    layer = restorer(soft=False)
    layer.denoiser.set_weights(
        [w.astype("float16") for w in layer.denoiser.get_weights()]
    )
    name = str(tmp_path / "small.npz")
    card = {"summary": "a test", "restorer": {"image_shape": SHAPE, "soft": False}}
    pretrained.save_model(name, layer.denoiser, card)
    loaded = ConditionalDDPM.from_preset(name, num_steps=1)
    np.testing.assert_array_equal(loaded(LLR), layer(LLR))
    config = keras.saving.serialize_keras_object(loaded)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(loaded.get_weights())
    np.testing.assert_array_equal(copy(LLR), layer(LLR))


def test_bad_input_gets_one_clear_sentence():
    layer = restorer()
    with pytest.raises(
        ValueError, match="^the restorer was made for 8x8x1 .* not 9x8x1"
    ):
        layer(np.zeros((1, 9, 8, 1, 8), "float32"))
    with pytest.raises(ValueError, match="^the LLRs contain NaN"):
        layer(np.full((1, *SHAPE, 8), np.nan, "float32"))
    for levels in (255 * np.ones((1, *SHAPE), "float32"), -np.ones((1, *SHAPE))):
        with pytest.raises(ValueError, match=r"in \[0, 1\]: divide 8-bit images"):
            layer(levels)
    with pytest.raises(ValueError, match="no weights named 'ddpm-none'"):
        ConditionalDDPM.from_preset("ddpm-none")
    with pytest.raises(ValueError, match="num_steps=201 is outside 1 ... 200"):
        restorer(201)
