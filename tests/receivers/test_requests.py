"""Blocks of users get frame and noise as ours do, by the arguments of their call."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.experiments.link import Link
from link_sim.receivers.chain import Receiver
from link_sim.receivers.decoding.ldpc import LDPCDecoder
from link_sim.receivers.images.bits import image_from_bits
from link_sim.receivers.requests import asks, draw_images_of_noise, requested
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")


class FrameReader(keras.layers.Layer):
    """A decoder that keeps what frame it was told."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder, self.told = decoder, []

    def call(self, llr, frame=0):
        self.told.append(frame)
        return self.decoder(llr)


class Speckled(keras.layers.Layer):
    """A restorer whose output is nothing but the second draw of its noise."""

    num_draws = 2

    def call(self, llr, noise=None):
        return 0 * image_from_bits(llr > 0) + noise[:, 1]


class Silent(keras.layers.Layer):
    """A restorer that asks for noise without a word about how much."""

    def call(self, llr, noise):
        return image_from_bits(llr > 0)


@pytest.fixture(scope="module")
def scenario():
    overrides = ["channel.model=awgn", "batch_size=2", "payload.num_images=4"]
    return load_scenario("smoke", overrides)


@pytest.mark.slow
@pytest.mark.graphs
def test_own_decoders_and_restorers_get_frame_and_noise(scenario):
    sender = Link(scenario, ["perfect-csi"]).transmitter
    decoder = FrameReader(LDPCDecoder(sender.encoder, 2))
    mine = Receiver(sender, decoder=decoder, restorer=Speckled(), name="mine")
    link = Link(scenario, [mine])
    world = link.draw(scenario.at(8.0), batch_index=0)
    images = world.image.shape[0] * world.image.shape[1]
    assert world.noise.shape == (images, 2, *sender.image_shape)
    image_hat = link.receive(world)["mine"].image_hat
    np.testing.assert_array_equal(
        tf.reshape(image_hat, world.noise[:, 1].shape), world.noise[:, 1]
    )
    mine(world.y, world.no, world.h, world.noise, frame=3)
    assert int(decoder.told[-1]) == 3


def test_who_asks_for_noise_says_how_much(scenario):
    sender = Link(scenario, ["perfect-csi"]).transmitter
    with pytest.raises(ValueError, match="Silent asks for noise .* num_draws"):
        Receiver(sender, restorer=Silent(), name="silent")


def test_what_is_not_asked_for_is_not_handed_over():
    assert requested(Speckled(), frame=1, noise=2) == {"noise": 2}
    assert requested(lambda llr: llr, frame=1) == {} and not asks(None, "noise")
    assert requested(lambda llr, frame: llr, frame=1) == {"frame": 1}


def test_more_draws_begin_with_those_of_fewer():
    few, many = (draw_images_of_noise(3, n, (4, 5, 1), seed=1) for n in (2, 5))
    np.testing.assert_array_equal(few, many[:, :2])
