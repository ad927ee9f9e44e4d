import keras
import numpy as np
import pytest

from link_sim.models.training import low_discrepancy, train


def batch(step):
    rng = np.random.default_rng(step)
    x = rng.standard_normal((64, 3), "float32")
    noise = 0.1 * rng.standard_normal((64, 1), "float32")
    return (x,), x @ np.float32([[1.0], [-2.0], [0.5]]) + 1 + noise, None


OPTIONS = {"learning_rate": 0.05, "ema_momentum": 0.9}


def trained(folder, steps, stop_after=None):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(1)

    def interrupt(step, loss):
        if step == stop_after:
            raise KeyboardInterrupt

    options = OPTIONS | {"save_every": 20}
    try:
        train(layer, batch, steps, folder, report=interrupt, **options)
    except KeyboardInterrupt:
        train(layer, batch, steps, folder, **options)
    return layer.get_weights()


def test_training_finds_the_least_squares_solution(tmp_path):
    kernel, bias = trained(tmp_path, 300)
    np.testing.assert_allclose(kernel[:, 0], [1, -2, 0.5], atol=0.02)
    np.testing.assert_allclose(bias, 1, atol=0.02)


def test_interrupted_run_ends_as_if_it_never_stopped(tmp_path):
    whole = trained(tmp_path / "whole", 60)
    halves = trained(tmp_path / "halves", 60, stop_after=40)
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(one, other)


def test_finished_run_is_not_repeated(tmp_path):
    once = trained(tmp_path, 40)
    steps = []
    layer = keras.layers.Dense(1)
    train(layer, batch, 40, tmp_path, report=lambda *_: steps.append(_), **OPTIONS)
    assert steps == []
    np.testing.assert_array_equal(layer.get_weights()[0], once[0])


def test_checkpoint_of_another_training_is_refused(tmp_path):
    trained(tmp_path, 40)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def other(step):
        (x,), y, weights = batch(step + 1)
        return (x,), y, weights

    for data, steps, rate in ((other, 40, 0.05), (batch, 41, 0.05), (batch, 40, 0.06)):
        options = OPTIONS | {"learning_rate": rate}
        with pytest.raises(ValueError, match="settings that it was begun with"):
            train(keras.layers.Dense(1), data, steps, tmp_path, **options)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


@pytest.mark.parametrize("settings", [{"steps": 0}, {"learning_rate": -1.0}])
def test_settings_out_of_range_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match="are no training"):
        train(keras.layers.Dense(1), batch, folder=tmp_path, **{"steps": 1} | settings)


def test_seconds_of_an_interrupted_training_add_up(tmp_path):
    trained(tmp_path, 60, stop_after=40)
    layer = keras.layers.Dense(1)
    with np.load(tmp_path / "checkpoint.npz") as arrays:
        spent = float(arrays["seconds"])
    assert 0 < spent == train(layer, batch, 60, tmp_path, **OPTIONS)


def test_weights_are_a_moving_average(tmp_path):
    layer = keras.layers.Dense(1)
    path = tmp_path / "checkpoint.npz"
    train(layer, batch, 50, tmp_path, learning_rate=0.05)
    with np.load(path) as arrays:
        last = arrays["0"]
    assert np.abs(last - layer.get_weights()[0]).max() > 1e-3


def test_low_discrepancy_levels_fill_each_stratum_once():
    u = low_discrepancy(np.random.default_rng(0), 16)
    assert sorted(np.floor(u * 16)) == list(range(16))
