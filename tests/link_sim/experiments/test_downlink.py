"""The downlink of several users: against a script of Sionna, and what is counted."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import ApplyOFDMChannel
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import (
    LinearDetector,
    LSChannelEstimator,
    RemoveNulledSubcarriers,
    RZFPrecoder,
)

from link_sim.engine.batches import plain
from link_sim.experiments.link import Link
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel
from link_sim.world.sources import evaluation_digits

pytestmark = pytest.mark.usefixtures("eager")

USERS, ANTENNAS = 2, 4
DOWN = [
    "direction=downlink",
    f"antennas={{transmit=1, streams=1, receive={ANTENNAS}, users={USERS}}}",
    "channel.model=tdl-a",
    "code={bits_per_symbol=2, iterations=4}",
    "grid={fft_size=26, guard_carriers=[3, 2]}",
]


@pytest.fixture(scope="module", autouse=True)
def small_images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "small.npz"
    np.savez(path, images=evaluation_digits()[:8, 8:16, 8:16])
    DOWN.extend([f"payload.source={path}", "payload.num_images=8"])
    yield
    del DOWN[-2:]


def link(*overrides, receivers=("perfect-csi",)):
    return Link(load_scenario("image", [*DOWN, *overrides]), receivers)


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["antennas.transmit=2"], "antennas.transmit = 2 of each user"),
        (["antennas.users=5"], "users = 5 with streams = 1 each exceed receive = 4"),
        (["channel.domain=time"], "use channel.domain = 'frequency'"),
        (["sweep.axis=esno_db"], "has no Es/N0"),
        (["channel.interferers=1", "channel.sir_db=0"], "channel.interferers send"),
        (["direction=uplink", "antennas.precoder=zf"], "is for the downlink"),
    ],
)
def test_what_cannot_be_is_answered_in_one_sentence(overrides, said):
    with pytest.raises(ScenarioError, match=said):
        load_scenario("image", [*DOWN, *overrides])


@pytest.mark.parametrize(
    "override, receiver, said",
    [
        ("antennas.precoder=best", "ls", "antennas.precoder: there is no 'best'"),
        ("antennas.precoder=nc-published", "ls", "weights"),
        ("antennas.precoder=zf", "ls+ep", "'ls\\+ep' of a user of one antenna"),
        ("antennas.precoder=zf", "lmmse", "lmmse does not know channels behind"),
        ("antennas.precoder=zf", "ls+idd", "leave idd out"),
    ],
)
def test_blocks_that_do_not_suit_are_answered_in_one_sentence(override, receiver, said):
    with pytest.raises(ScenarioError, match=said):
        link(override, receivers=[receiver])


def test_a_script_of_sionna_finds_the_same():
    model, frames = link(receivers=["ls"]), 2
    grid = model.transmitter.resource_grid
    streams = StreamManagement(np.ones([USERS, 1]), USERS)
    no = model.noise_variance(model.scenario.at(6.0))
    x_rg = model.transmitter(model.draw_images(frames))[2]
    config.seed = 1
    y, h_seen = model.channel.send(x_rg, no)
    config.seed = 1
    h = Channel.__call__(model.channel, frames)  # of the uplink
    grids = model.transmitter.grids_per_frame

    h = tf.transpose(h, [0, 4, 1, 3, 2, 5, 6])  # users as receivers
    sent, expected_h = RZFPrecoder(grid, streams, return_effective_channel=True)(
        x_rg, h, no
    )
    expected = ApplyOFDMChannel()(sent, h)
    assert np.allclose(y[:, 0], tf.reshape(expected, y[:, 0].shape), atol=1e-5)
    h_seen = RemoveNulledSubcarriers(grid)(h_seen)
    assert np.allclose(h_seen[:, 0], tf.reshape(expected_h, h_seen[:, 0].shape), 1e-4)

    assert len(y) == frames * grids * USERS
    h_hat, err_var = LSChannelEstimator(grid, "lin")(expected, no)
    detector = LinearDetector(
        "lmmse", "bit", "app", grid, streams, "qam", num_bits_per_symbol=2
    )
    llr = detector(expected, h_hat, err_var, no)  # [batch, 1, users, bits]
    receiver = model.receivers[0]
    found = receiver.detector(y, *receiver.estimate(y, no, None), no)
    own = tf.einsum("bkkd->bkd", tf.reshape(found, [-1, USERS, USERS, llr.shape[-1]]))
    assert np.allclose(own, llr[:, 0], rtol=1e-2, atol=1e-2)


def test_without_noise_zero_forcing_makes_no_error():
    model = link("antennas.precoder=zf", receivers=["perfect-csi", "ls"])
    world = model.draw(model.scenario.at(60.0), 0)
    for sums in plain(model.count(world)).values():
        assert sums["bit_errors"] == 0
        assert sums["user_1_bits"] == sums["user_2_bits"] == sums["bits"] / 2
    own = tf.reshape(world.h, [-1, USERS, USERS, *world.h.shape[-2:]])
    assert np.max(np.abs(own[:, 0, 1])) < 1e-4 * np.min(np.abs(own[:, 0, 0]))


def test_total_energy_is_one_a_user_whatever_the_precoder():
    for name in ("mrt", "zf", "rzf-total", "zf-water-filling"):
        model = link(f"antennas.precoder={name}", "antennas.users=1")
        channel, grids = model.channel, model.transmitter.grids_per_frame
        config.seed = 1
        x_rg = tf.ones([4 * grids, 1, 1, 14, 26], tf.complex64)
        _, seen = channel.send(x_rg, tf.constant(0.1))
        config.seed = 1
        energy = tf.reduce_sum(tf.abs(Channel.__call__(channel, 4)) ** 2, axis=2)
        # of one user all are maximum ratio transmission
        assert np.allclose(tf.abs(seen[:, 0, 0, 0, 0]) ** 2, energy[:, 0, 0, 0], 1e-3)


def test_a_user_with_a_weaker_channel_makes_more_errors():
    model = link("antennas.power_offsets=[0, -10]")
    [sums] = plain(model.count(model.draw(model.scenario.at(-6.0), 0))).values()
    assert sums["bits"] == sums["user_1_bits"] + sums["user_2_bits"]
    assert sums["user_1_bit_errors"] < sums["user_2_bit_errors"]
