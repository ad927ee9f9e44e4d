import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.chain import build_receivers
from link_sim.receivers.detection.constellation import TrainableConstellation
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")


@pytest.mark.parametrize("name", ["link-users", "image"])
def test_llrs_of_grids_are_what_demodulation_takes_apart(name):
    sender = Transmitter(load_scenario(name), (28, 28, 1))
    blocks = sender.images_per_frame * sender.blocks_per_image
    llr = tf.random.stateless_normal([3 * blocks, sender.n], [1, 2])
    np.testing.assert_array_equal(sender.demodulate(sender.grid_llr(llr)), llr)
    some = llr[blocks:]
    again = sender.demodulate(sender.grid_llr(some, frame=1), frame=1)
    np.testing.assert_array_equal(again, some)


def test_bits_that_fill_a_frame_are_no_pilots():
    sender = Transmitter(load_scenario("joint-blind"), (28, 28, 1))
    blocks = sender.images_per_frame * sender.blocks_per_image
    unknown = sender.grid_llr(tf.zeros([blocks, sender.n]))
    np.testing.assert_array_equal(unknown, 0)
    sent = np.count_nonzero(sender.grid_llr(tf.ones([blocks, sender.n])))
    assert 0 < sent < unknown.shape.num_elements()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ls+joint", "score or lmmse"),
        ("perfect-csi+joint", "score or lmmse"),
        ("ls+k-best+idd", "use linear, ep"),
        ("ls+sionna-bp+idd", "use bp or turbo"),
    ],
)
def test_what_cannot_work_in_turns_is_refused(name, remedy):
    sender = Transmitter(load_scenario("image-awgn"), (4, 4, 1))
    with pytest.raises(ValueError, match=remedy):
        build_receivers([name], sender)


def test_users_with_spectra_of_their_own_are_not_told_by_symbols():
    sender = Transmitter(load_scenario("link-users"), (28, 28, 1))
    with pytest.raises(ValueError, match="use one user"):
        build_receivers(["score+joint"], sender)


def test_a_learned_constellation_is_refused():
    scenario, points = load_scenario("image-awgn"), TrainableConstellation(6)
    sender = Transmitter(scenario, (4, 4, 1), constellation=points)
    for name in ("perfect-csi+ep", "perfect-csi+idd"):
        with pytest.raises(ValueError, match="QAM alone"):
            build_receivers([name], sender)
