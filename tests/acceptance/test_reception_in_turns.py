"""Receivers whose blocks work in turns, beside the same blocks in a row."""

import keras
import numpy as np
import pytest

from link_sim.experiments.link import Link
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.slow

SMALL = (
    "grid.fft_size=64", "grid.symbols=8", "grid.pilot_symbols=[2,5]",
    "code.bits_per_symbol=4", "channel.model=tdl-a", "antennas.receive=4",
    "antennas.polarisation=single", "batch_size=8",
)  # fmt: skip
LOOPS = "perfect-csi+idd-2", "lmmse+joint-2", "score+joint-2"


@pytest.fixture(scope="module")
def link():
    receivers = f"receivers={['perfect-csi', 'lmmse', 'score', *LOOPS]}"
    return Link(load_scenario("csi-link", [*SMALL, receivers]))


@pytest.fixture(scope="module")
def received(link):
    """Frames at a point where about half of the blocks are lost."""
    world = link.draw(link.scenario.at(-0.5), 0)
    return world, link.receive(world)


@pytest.mark.parametrize("name", LOOPS)
def test_no_block_is_lost_that_the_plain_receiver_decodes(received, name):
    world, found = received
    plain, loop = (found[each].crc_ok.numpy() for each in (name.split("+")[0], name))
    assert np.all(loop[plain])
    assert plain.sum() < loop.sum() < loop.size
    right = np.all(found[name].b_hat == world.b, axis=-1)
    np.testing.assert_array_equal(right, loop)


@pytest.mark.parametrize("name", LOOPS[1:])
def test_symbols_improve_channel_estimates_and_wrong_ones_do_not_spoil_them(
    link, received, name
):
    world, found = received
    h = link._remove_nulled(world.h)
    plain, loop = (
        np.mean(np.abs(found[each].h_hat - h) ** 2, axis=(1, 2, 3, 4, 5, 6))
        for each in (name.split("+")[0], name)
    )
    decoded = np.repeat(found[name].crc_ok.numpy().ravel(), len(h) // 8)
    assert np.mean(loop[decoded]) < 0.5 * np.mean(plain[decoded])
    assert np.mean(loop[~decoded]) < 1.1 * np.mean(plain[~decoded])


def test_a_receiver_in_turns_of_a_configuration_receives_the_same(link, received):
    world, found = received
    receiver = next(r for r in link.receivers if r.name == "lmmse+joint-2")
    config = keras.saving.serialize_keras_object(receiver)
    again = keras.saving.deserialize_keras_object(config)
    b_hat = again(world.y, world.no).b_hat
    np.testing.assert_array_equal(b_hat, found["lmmse+joint-2"].b_hat)


def test_rounds_one_by_one_end_as_a_call_does(link, received):
    world, found = received
    receiver = next(r for r in link.receivers if r.name == "lmmse+joint-2")
    seen = receiver.estimate(world.y, world.no, world.h)
    *_, last = receiver.loop.rounds(world.y, world.no, *seen)
    held = receiver.transmitter.check(last.posterior)[2]
    np.testing.assert_array_equal(held, found[receiver.name].crc_ok)


def test_turns_begin_with_one_pilot_a_stream_and_those_on_top_of_data():
    few = "grid.pilot_symbols=[2]", "grid.pilot_spacing=64", "code.bits_per_symbol=2"
    settings = [*SMALL[:3], *SMALL[4:], *few, "grid.pilot_share=0.2"]
    names = "receivers=['lmmse', 'lmmse+joint']"
    link = Link(load_scenario("csi-link", [*settings, names]))
    world = link.draw(link.scenario.at(6.0), 0)
    found = link.receive(world)
    assert np.mean(found["lmmse+joint"].crc_ok) >= 0.75
    joint = link.receivers[1]
    seen = joint.estimate(world.y, world.no, world.h)
    first = next(joint.loop.rounds(world.y, world.no, *seen))
    held = joint.transmitter.check(first.posterior)[2]
    assert np.mean(held) > np.mean(found["lmmse"].crc_ok)
