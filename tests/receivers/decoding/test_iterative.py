import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.experiments.link import Link
from link_sim.receivers.chain import build_receivers
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

SMALL = (
    "grid.fft_size=64", "grid.symbols=8", "grid.pilot_symbols=[2,5]",
    "code.bits_per_symbol=4", "batch_size=4",
)  # fmt: skip
LOOPS = "perfect-csi+idd-2", "lmmse+joint-2", "score+joint-1"


@pytest.fixture(scope="module")
def link():
    receivers = f"receivers={['perfect-csi', 'lmmse', 'score', *LOOPS]}"
    return Link(load_scenario("csi-link", [*SMALL, receivers]))


@pytest.fixture(scope="module")
def received(link):
    """Frames at a point where some blocks are lost."""
    world = link.draw(link.scenario.at(-4.5), 0)
    return world, link.receive(world)


@pytest.mark.parametrize("name", LOOPS)
def test_no_block_is_lost_that_the_plain_receiver_decodes(received, name):
    world, found = received
    plain = found[name.split("+")[0]].crc_ok.numpy()
    loop = found[name].crc_ok.numpy()
    assert np.all(loop[plain])
    assert plain.mean() < loop.mean()
    right = np.all(found[name].b_hat == world.b, axis=-1)
    np.testing.assert_array_equal(right, loop)


@pytest.mark.parametrize("name", LOOPS[1:])
def test_symbols_improve_the_channel_estimate(link, received, name):
    world, found = received
    h = link._remove_nulled(world.h)
    plain, loop = (
        np.mean(np.abs(found[each].h_hat - h) ** 2)
        for each in (name.split("+")[0], name)
    )
    assert loop < 0.7 * plain


def test_what_is_known_of_grids_is_what_demodulation_takes_apart():
    settings = "payload.source=digits", "antennas.users=2", "antennas.receive=4"
    for changes in (settings[:1], settings):
        sender = Transmitter(load_scenario("link-users", [*changes[2:]]), (28, 28, 1))
        blocks = 3 * sender.images_per_frame * sender.blocks_per_image
        llr = tf.random.stateless_normal([blocks, sender.n], [1, 2])
        np.testing.assert_array_equal(sender.demodulate(sender.grid_llr(llr)), llr)
        some = llr[blocks // 3 :]
        again = sender.demodulate(sender.grid_llr(some, frame=1), frame=1)
        np.testing.assert_array_equal(again, some)


def test_a_loop_of_a_configuration_receives_the_same(link, received):
    world, found = received
    receiver = next(r for r in link.receivers if r.name == "lmmse+joint-2")
    config = keras.saving.serialize_keras_object(receiver)
    again = keras.saving.deserialize_keras_object(config)
    llr = again(world.y, world.no).llr
    np.testing.assert_allclose(llr, found["lmmse+joint-2"].llr, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ls+joint", "score or lmmse"),
        ("perfect-csi+joint", "score or lmmse"),
        ("lmmse+k-best+idd", "use linear, ep"),
        ("lmmse+sionna-bp+idd", "use bp or turbo"),
    ],
)
def test_what_cannot_work_in_turns_is_refused(link, name, remedy):
    with pytest.raises(ValueError, match=remedy):
        build_receivers([name], link.transmitter)
