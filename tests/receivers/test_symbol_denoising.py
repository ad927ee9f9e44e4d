"""The denoiser of symbols: what it begins with, and the loss that it learns by."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from link_sim.models.symbol_denoiser import SymbolDenoiser
from link_sim.models.training import train
from link_sim.receivers.symbol_denoising import SymbolDenoising
from link_sim.recipes.symbols import noisy_symbols, surprise

PER_PLACE, SHAPE = 2, (8, 12, 3)


def observed(count, no):
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((2, 3, 2, count), "float32")
    no_eff = no * rng.exponential(size=(3, 2, count)).astype("float32")
    return (parts[0] + 1j * parts[1]).astype("complex64"), no_eff


@pytest.mark.parametrize("num_steps", [1, 4])
@pytest.mark.parametrize("no", [0.01, 1.0, 50.0])
def test_before_training_all_symbols_stay_as_they_are(num_steps, no):
    """Steps of posterior means of Gaussian symbols end at the linear estimate."""
    denoiser = SymbolDenoising(SymbolDenoiser(PER_PLACE, 8), SHAPE, num_steps)
    x_hat, no_eff = observed(11, no)
    x, variance = denoiser(x_hat, no_eff)
    np.testing.assert_allclose(x, x_hat, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(variance, no_eff, rtol=2e-3)


@pytest.mark.graphs
def test_graphs_serve_any_batch():
    denoiser = SymbolDenoising(SymbolDenoiser(PER_PLACE, 8), SHAPE)
    specs = [tf.TensorSpec((None, 2, 11), t) for t in ("complex64", "float32")]
    traced = tf.function(lambda *x: denoiser(*x), specs, autograph=False)
    x, variance = traced(*observed(11, 0.1))
    assert x.shape == variance.shape == (3, 2, 11)


def test_more_symbols_than_places_are_refused():
    denoiser = SymbolDenoising(SymbolDenoiser(PER_PLACE, 8), SHAPE)
    with pytest.raises(ValueError, match="use 1 to 12"):
        denoiser(*observed(13, 0.1))
    with pytest.raises(ValueError, match="no weights of a denoiser of symbols"):
        SymbolDenoising.from_preset("csi-scm")


def test_the_loss_is_least_at_the_error_that_is_made():
    used = np.ones((2, 3, 3, PER_PLACE), "float32")
    used[..., 1] = 0
    clean = np.zeros((2, 3, 3, 2 * PER_PLACE), "float32")
    (features, weights), target, _ = noisy_symbols(0, 1, 4, clean, used)
    assert np.all(weights[..., 1] == 0) and np.all(features[..., 1::2] == 0)
    assert np.array_equal(target[..., 2 * PER_PLACE :], used[[0] * 4])
    errors = [0.1, 0.2, 0.4]
    found = []
    for variance in errors:
        estimate = np.concatenate([clean + 0.1**0.5, variance * used], axis=-1)
        goal = np.concatenate([clean, used], axis=-1)
        found.append(ops.convert_to_numpy(surprise(goal, estimate)))
    assert np.argmin(found, axis=0).tolist() == [1, 1]
    assert found[1] == pytest.approx(1 + np.log(0.2))


@pytest.mark.slow
def test_for_qam_it_is_at_most_as_good_as_the_exact_posterior_mean(tmp_path):
    """64-QAM over AWGN at 10 and 14 dB; symbols say nothing of each other."""
    points = np.array([-7, -5, -3, -1, 1, 3, 5, 7], "float32") / 42**0.5
    rng = np.random.default_rng(0)
    clean = rng.choice(points, (4000, 4, 4, 2 * PER_PLACE))
    used = np.ones((4000, 4, 4, PER_PLACE), "float32")
    network = SymbolDenoiser(PER_PLACE, 64, 1)

    def draw(step):
        return noisy_symbols(step, 1, 128, clean, used)

    def layer(features, weights):
        return network([features, weights])

    train(layer, draw, 1500, tmp_path, loss=surprise, learning_rate=5e-3)
    for level, gain in ((10.0, 0.2), (14.0, 0.4)):  # dB, over the linear estimate
        no = 10 ** (-level / 10)
        x = rng.choice(points, (400, 4, 4, 2 * PER_PLACE))
        x_hat = x + (no / 2) ** 0.5 * rng.standard_normal(x.shape)
        likely = np.exp(-((x_hat[..., None] - points) ** 2) / no)
        exact = likely @ points / likely.sum(-1)
        weights = np.full((400, 4, 4, PER_PLACE), 1 / (1 + no))
        found = network([x_hat / (1 + no), weights])[..., : 2 * PER_PLACE]
        errors = [np.mean((z - x) ** 2) for z in (x_hat / (1 + no), exact, found)]
        linear, bound, ours = 10 * np.log10(errors)
        assert bound < linear - gain
        assert bound - 0.02 < ours < linear + 0.02
