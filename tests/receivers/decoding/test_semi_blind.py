"""Short blocks: what a receiver is told, and what turns make of it."""

import numpy as np
import pytest
import tensorflow as tf

from link_sim.experiments.semi_blind import SemiBlindBlocks
from link_sim.receivers.estimation import block_fading
from link_sim.scenarios.loading import load_scenario
from link_sim.world.path_blocks import BlockSender, path_channels


@pytest.mark.usefixtures("eager")
def test_the_order_of_symbols_is_taken_back():
    sender = BlockSender(4, 16, 4)
    llr = tf.random.stateless_normal([3, sender.n], [1, 2])
    np.testing.assert_array_equal(sender.demodulate(sender.grid_llr(llr)), llr)
    x = sender.symbols(tf.zeros([2, sender.n]))
    assert x.shape == (2, 4, 16) and (sender.k, sender.n) == (42, 96)
    np.testing.assert_allclose(np.abs(x), 1, atol=1e-6)
    gram = x[0, :, :4] @ x[0, :, :4].conj().T
    np.testing.assert_allclose(gram, 4 * np.eye(4), atol=1e-5)


def test_channels_have_the_covariance_of_their_paths():
    """40,000 channels of two paths: the mean of h h^H is that of the covariances."""
    h, covariance = path_channels(np.random.default_rng(1), 40_000, 3, 2, (2, 2))
    h = h.reshape(len(h), -1)
    found = np.einsum("bi,bj->ij", h, h.conj()) / len(h)
    np.testing.assert_allclose(found, covariance.mean(0), atol=5 / np.sqrt(len(h)))
    np.testing.assert_allclose(np.mean(np.abs(h) ** 2), 1, atol=5 / np.sqrt(len(h)))


def share(counts):
    """Of lost blocks."""
    return float(counts["block_errors"]) / float(counts["blocks"])


@pytest.fixture(scope="module")
def compared():
    """384 blocks where a third is lost without a spectrum."""
    names = ["perfect-csi", "genie", "pilots", "lmmse", "spectrum", "spectrum-5"]
    receivers = f"receivers={names}"
    scenario = load_scenario("semi-blind", ["batch_size=384", receivers])
    experiment = SemiBlindBlocks(scenario)
    world = experiment.draw(scenario.at(-3.0), 0)
    lost = {name: share(found) for name, found in experiment.count(world).items()}
    return scenario, experiment, world, lost


@pytest.mark.slow
def test_what_is_known_of_the_channel_saves_blocks(compared):
    lost = compared[-1]
    order = ["perfect-csi", "genie", "spectrum-5", "spectrum", "lmmse", "pilots"]
    assert sorted(lost, key=lost.get) == order
    assert lost["spectrum-5"] < 0.215 and lost["pilots"] > 0.4


@pytest.mark.slow
def test_symbols_that_confirm_themselves_lose_blocks(compared, monkeypatch):
    """Without leaving the own use out the loop loses more than half of the blocks."""
    scenario, _, world, lost = compared

    def naive(found, y, x, weight, sent, no):
        uses = y.shape[2]
        h = tf.repeat(tf.cast(found.mean, tf.complex64)[:, None], uses, 1)
        noise = tf.einsum("bascs->bac", found.covariance)
        noise = tf.cast(noise, tf.complex64) + tf.complex(no, 0.0) * tf.eye(
            y.shape[1], dtype=tf.complex64
        )
        return h, tf.repeat(noise[:, None], uses, 1)

    monkeypatch.setattr(block_fading, "predict", naive)
    alone = scenario.model_copy(update={"receivers": ("lmmse",)})
    counts = SemiBlindBlocks(alone).count(world)["lmmse"]
    assert share(counts) > lost["lmmse"] + 0.1
