import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from typer.testing import CliRunner

from link_sim.bench.blocks import CountedSource, mflop
from link_sim.bench.link import bench_scenario, block_error_rate, interleave
from link_sim.bench.scaling import fitted_exponent
from link_sim.bench.stock import StockLink
from link_sim.cli import app
from link_sim.experiments.link import Link


def test_stock_link_meets_the_noise_and_energy_of_ours():
    link = Link(bench_scenario("2x8", 2))
    stock = StockLink(link.scenario, link.transmitter)
    sent = link.transmit(link.draw_images(8), tf.constant(1e-9))
    ours = np.mean(np.abs(sent.y) ** 2)
    theirs = np.mean(np.abs(stock.transmit(sent.c, tf.constant(1e-9))) ** 2)
    # 24 independent grids whose channel energies are normalised
    assert theirs == pytest.approx(ours, rel=0.1)
    b, b_hat = stock(2, link.noise_variance(20.0, "ebno_db"))
    assert block_error_rate(b, b_hat) == 0


def test_functions_are_timed_in_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = interleave(functions, rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(times) for times in seconds.values()] == [2, 2]


def test_exponent_is_that_of_a_power_law():
    assert fitted_exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


def test_an_unknown_bench_is_answered_in_one_sentence():
    result = CliRunner().invoke(app, ["bench", "speed"])
    assert result.exit_code == 2
    assert "no bench 'speed': use link" in result.output


def test_operations_of_a_network():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3), keras.layers.Dense(2)]
    )
    by_hand = 2 * (6 * 6 * 3 * 3 * 3 * 5 + 6 * 6 * 5 * 2)
    assert mflop(model) == pytest.approx(by_hand / 1e6)


def test_evaluations_are_counted_by_the_image():
    source = CountedSource(lambda llr: 2 * llr)
    run = tf.function(source)
    assert np.array_equal(run(tf.ones([3, 2])), np.full([3, 2], 2.0))
    run(tf.ones([4, 2]))
    assert int(source.images) == 7


def test_a_link_is_traced_once(monkeypatch):
    monkeypatch.setattr(config, "_tf_rng", None)  # as where nothing has been seeded
    link = Link(bench_scenario("siso", 2))
    link(tf.constant(2), tf.constant(10.0))
    assert link._sent_and_decided.experimental_get_tracing_count() == 1
