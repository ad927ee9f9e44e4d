import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.bench.link import bench_scenario, block_error_rate
from link_sim.bench.stock import StockLink
from link_sim.experiments.link import Link

pytestmark = pytest.mark.usefixtures("eager")


def test_stock_link_meets_the_noise_and_energy_of_ours():
    link = Link(bench_scenario("2x8", 2))
    stock = StockLink(link.scenario, link.transmitter)
    _, c, _, _, y = link.transmit(link.draw_images(8), tf.constant(1e-9))
    ours = np.mean(np.abs(y) ** 2)
    theirs = np.mean(np.abs(stock.transmit(c, tf.constant(1e-9))) ** 2)
    # 24 independent grids whose channel energies are normalised
    assert theirs == pytest.approx(ours, rel=0.1)
    b, b_hat = stock(2, link.noise_variance(link.scenario.at(20.0)))
    assert block_error_rate(b, b_hat) == 0


@pytest.mark.slow
@pytest.mark.graphs
def test_a_link_is_traced_once(monkeypatch):
    monkeypatch.setattr(config, "_tf_rng", None)  # as where nothing has been seeded
    link = Link(bench_scenario("siso", 2))
    link(tf.constant(2), tf.constant(10.0))
    assert link._sent_and_decided.experimental_get_tracing_count() == 1
