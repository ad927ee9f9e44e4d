import keras
import numpy as np

from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder, deal

NORMAL = np.random.default_rng(0).standard_normal


def copied(model):
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(model.get_weights())
    return copy


def test_encoder_is_the_published_one_and_serialises():
    encoder = SemanticEncoder((28, 28, 1), 10, (4, 6, 8, 10))
    layers = [type(layer).__name__ for layer in encoder.layers]
    assert layers.count("Conv2D") == layers.count("BatchNormalization") == 4
    assert {x.strides for x in encoder.layers if "conv" in x.name} == {(2, 2)}
    # without biases before batch normalisation, whose scale, shift and moments follow
    widths = [1, 4, 6, 8, 10]
    convolutions = sum(9 * a * b for a, b in zip(widths, widths[1:], strict=False))
    dense = 2 * 2 * 10 * 10 + 10
    assert encoder.count_params() == convolutions + 4 * sum(widths[1:]) + dense
    image = NORMAL((2, 28, 28, 1)).astype("float32")
    np.testing.assert_array_equal(copied(encoder)(image), encoder(image))


def small_denoiser():
    denoiser = SemanticDenoiser((8, 8, 3), 6, 2, 0.5, (32, 32), (1, 1))
    denoiser.set_weights([0.1 * NORMAL(w.shape) for w in denoiser.get_weights()])
    return denoiser


def test_denoiser_uses_all_it_is_told_and_serialises():
    denoiser = small_denoiser()
    x, vector, levels = NORMAL((2, 8, 8, 3)), NORMAL((2, 6)), np.full((2, 2), 0.5)
    told = {"x": x, "sigma": 0.3, "vector": vector, "levels": levels}
    told = {key: np.asarray(value, "float32") for key, value in told.items()}
    estimate = np.asarray(denoiser(**told))
    np.testing.assert_array_equal(copied(denoiser)(**told), estimate)
    for key, value in told.items():
        other = denoiser(**{**told, key: value + np.float32(0.1)})
        assert np.all(np.abs(other - estimate).max(axis=(1, 2, 3)) > 1e-6), key


def test_without_noise_the_image_is_kept_and_without_an_image_it_is_ignored():
    denoiser, vector = small_denoiser(), np.ones((2, 6), "float32")
    levels, x = np.ones((2, 2), "float32"), NORMAL((2, 8, 8, 3)).astype("float32")
    kept = denoiser(x, np.float32(1e-4), vector, levels)
    np.testing.assert_allclose(kept, x, atol=1e-2)
    # c_skip = (0.5 / 1e4)^2 and c_in = 1e-4
    far = [denoiser(a * x, np.float32(1e4), vector, levels) for a in (0, 1)]
    np.testing.assert_allclose(*far, atol=1e-2)


def test_pairs_of_symbols_go_round_the_quarters():
    vector = np.arange(40, dtype="float32")[None]  # 20 symbols: n and 20 + n
    dealt = np.asarray(deal(vector))[0]
    assert dealt.shape == (4, 12)
    np.testing.assert_array_equal(dealt[1, :8], [2, 22, 3, 23, 10, 30, 11, 31])
    np.testing.assert_array_equal(dealt[0, 8:], [16, 36, 17, 37])
    assert not dealt[2:, 8:].any()


def test_linear_estimate_is_one_matrix_for_each_quarter():
    denoiser = small_denoiser()
    vector = NORMAL((2, 6)).astype("float32")
    image = np.asarray(denoiser.linear_estimate(vector))
    kernel, bias = np.asarray(denoiser.kernel), np.asarray(denoiser.bias)
    dealt = np.asarray(deal(vector))
    for quarter, (i, j) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        part = dealt[:, quarter] @ kernel[quarter] + bias[quarter]
        slow = part.reshape(2, 4, 4, 3)
        np.testing.assert_allclose(image[:, i : i + 4, j : j + 4], slow, atol=1e-5)
