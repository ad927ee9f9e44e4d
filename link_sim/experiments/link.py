"""The link: images through transmitter and channel to every receiver compared."""

from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.ofdm import RemoveNulledSubcarriers
from sionna.phy.utils import ebnodb2no

from link_sim.experiments.training import TrainableLink
from link_sim.metrics.counts import (
    channel_counts,
    class_counts,
    goodput_counts,
    image_counts,
)
from link_sim.models.pretrained import load_model
from link_sim.receivers.chain import (
    Receiver,
    Reception,
    build_receivers,
    draw_noise,
    receive,
)
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.names import parse_receiver
from link_sim.scenarios.base import ScenarioError, batch_seed
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.loading import parse_scenario
from link_sim.world.channel import add_noise, covariances
from link_sim.world.sources import in_order, load_images
from link_sim.world.time_channel import open_channel
from link_sim.world.transmitter import Transmitter


class Frames(NamedTuple):
    """Frames as sent and received; shapes as in `Transmitter` and `Channel`.

    frame : their numbers in a batch, which say how bits are scrambled
    noise : of the samplers among the restorers, or None
    """

    frame: tf.Tensor
    image: tf.Tensor
    b: tf.Tensor
    c: tf.Tensor
    x_rg: tf.Tensor
    h: tf.Tensor
    y: tf.Tensor
    no: tf.Tensor
    noise: tf.Tensor | None


@keras.saving.register_keras_serializable("link_sim")
class Link(TrainableLink):
    """An image link over a Sionna MIMO-OFDM chain, with one or several receivers.

    One pass runs the transmitter and the channel once and hands the same `y` to all
    receivers. It is an `Experiment` too.

    Parameters
    ----------
    scenario : LinkScenario
    receivers : names (see `receivers.catalog`) or `Receiver` objects;
        those of the scenario if not given
    constellation : a `TrainableConstellation` to send and to learn, in place of QAM
    pilots : a `TrainablePilots` to send and to learn, in place of QPSK at random

    Input
    -----
    batch_size : int, number of frames
    ebno_db : float, Eb/N0 in dB: transmitted energy, pilots, cyclic prefix, CRC and
        filling included, per image bit, over no

    Output
    ------
    b, b_hat : [batch, images_per_frame, blocks_per_image, k], information bits as sent
        and as decided by the first receiver; so `sionna.phy.utils.sim_ber` and
        `PlotBER` accept the link

    `fit`, `evaluate` and `predict` take Eb/N0 values in dB, a frame each, and draw the
    rest; they use the first receiver. See `compile`.

    Raises `ScenarioError` if Sionna cannot do what the scenario asks for.
    """

    def __init__(
        self, scenario: LinkScenario, receivers=None, constellation=None, pilots=None
    ):
        super().__init__(name=scenario.name)
        self._allow_non_tensor_positional_args = True  # as Sionna's blocks do
        self.scenario = scenario
        _ = config.tf_rng  # made now: a graph that makes it is traced twice
        self._images = load_images(scenario.payload)
        shape = self._images.shape[1:]
        self.constellation, self.pilots = constellation, pilots
        self.transmitter = Transmitter(
            scenario, shape, self._covariances, constellation, pilots
        )
        self.channel = open_channel(scenario, self.transmitter.grids_per_frame)
        self._draw_channel = tf.function(self.channel, autograph=False)
        self._send_over = tf.function(self.channel.send, autograph=False)
        self._remove_nulled = RemoveNulledSubcarriers(self.transmitter.resource_grid)
        sender, elements = self.transmitter, scenario.grid.effective_subcarriers
        elements *= scenario.grid.symbols * sender.grids_per_frame
        self._frame = sender.image_bits / sender.blocks_per_image, elements
        receivers = list(receivers or scenario.receivers)
        names = [r for r in receivers if isinstance(r, str)]
        self._named = frozenset(names)
        self.receivers = self._build(receivers, names)
        judge = scenario.weights_file("digit-classifier")
        digits = self.transmitter.image_shape == (28, 28, 1)
        self._classifier = load_model(judge) if digits else None
        if self._classifier:
            self._classifier.trainable = False
        # AutoGraph takes seconds; only blocks that are not ours may need it
        traced = partial(_graph, autograph=names != receivers)
        self._no_of_ebno = _graph(self._noise_at)
        self._no_of_esno = _graph(lambda esno_db: 10.0 ** (-esno_db / 10))
        self._send = traced(self.transmit)
        self._judge = traced(self._counts)
        self._sent_and_decided = traced(self._bits, reduce_retracing=True)
        self._settle(traced, whole=names == receivers)

    def _build(self, receivers: list, names: list[str]) -> list[Receiver]:
        steps = self.scenario.sweep.num_steps
        self._check_detectors(names)
        try:
            find = self.scenario.block_weights
            built = build_receivers(names, self.transmitter, steps, find)
        except ValueError as error:
            raise ScenarioError(str(error)) from None
        built = dict(zip(names, built, strict=True))
        return [r if isinstance(r, Receiver) else built[r] for r in receivers]

    def _check_detectors(self, names: list[str]) -> None:
        if self.scenario.direction == "uplink":
            return
        for name in names:
            _, detector, *_, loop = parse_receiver(name)
            if loop != "once":
                raise ScenarioError(
                    f"the receiver '{name}' takes turns over streams that no user of "
                    f"the downlink hears alone: leave {loop} out, or use direction = "
                    "'uplink'"
                )
            if detector not in ("linear", "sionna-linear"):
                raise ScenarioError(
                    f"the receiver '{name}' of a user of one antenna cannot tell "
                    f"streams apart by {detector}: use linear where direction = "
                    "'downlink'"
                )

    def get_config(self):
        receivers = [
            r.name if r.name in self._named else keras.saving.serialize_keras_object(r)
            for r in self.receivers
        ]
        return {
            "scenario": self.scenario.to_toml(),
            "receivers": receivers,
            "constellation": keras.saving.serialize_keras_object(self.constellation),
            "pilots": keras.saving.serialize_keras_object(self.pilots),
        }

    @classmethod
    def from_config(cls, config):
        read = keras.saving.deserialize_keras_object
        learned = read(config["constellation"]), read(config.get("pilots"))
        receivers = [r if isinstance(r, str) else read(r) for r in config["receivers"]]
        return cls(parse_scenario(config["scenario"]), receivers, *learned)

    def get_build_config(self):
        """None: the link builds itself."""

    def call(self, batch_size, ebno_db):
        return self._sent_and_decided(batch_size, ebno_db)

    def draw(self, at: LinkScenario, batch_index: int) -> Frames:
        """A batch of `at`, the scenario at a point of its sweep, on the air."""
        seed, no = at.world_seed(batch_index), self.noise_variance(at)
        config.seed = seed
        image = self.batch_images(batch_index)
        noise = draw_noise(self.receivers, image.shape[0] * image.shape[1], seed)
        frame = tf.range(image.shape[0])
        return Frames(frame, image, *self._send(image, no), no, noise)

    def receive(self, world: Frames) -> dict[str, Reception]:
        """What each receiver makes of the same frames."""
        w = world
        return receive(self.receivers, w.y, w.no, w.h, w.noise, w.frame[0])

    def count(self, world: Frames) -> dict[str, dict]:
        """Counts of each receiver; see `link_sim.metrics.counts`."""
        return self._judge(world)

    def images(self, world: Frames, received: dict[str, Reception]) -> dict:
        """Images as sent and by receiver, [frames, images_per_frame, ...]."""
        recovered = {name: each.image_hat for name, each in received.items()}
        return {"image": world.image, **recovered}

    def noise_variance(self, at: LinkScenario):
        """`no` of a scenario at one point."""
        if at.sweep.esno_db is not None:
            return self._no_of_esno(tf.constant(at.sweep.esno_db, tf.float32))
        return self._no_of_ebno(tf.constant(at.sweep.ebno_db, tf.float32))

    def _noise_at(self, ebno_db):
        no = ebnodb2no(
            tf.cast(ebno_db, tf.float32),
            self.transmitter.num_bits_per_symbol,
            self.transmitter.effective_rate,
            self.transmitter.resource_grid,
        )
        return self.transmitter.users * no  # the streams of each have energy 1

    def draw_images(self, batch_size):
        """Images at random: [batch, images_per_frame, height, width, channels]."""
        shape = [batch_size, self.transmitter.images_per_frame]
        return self._take(config.tf_rng.uniform(shape, 0, len(self._images), tf.int32))

    def batch_images(self, batch_index: int):
        """The images of a numbered batch: the pool in order, again from its start."""
        shape = self.scenario.batch_size, self.transmitter.images_per_frame
        return self._take(in_order(batch_index, shape, len(self._images)))

    def transmit(self, image, no):
        """Sends images [batch, images_per_frame, ...]; returns b, c, x_rg, h and y."""
        b, c, x_rg = self.transmitter(image)
        if no.shape.rank == 1:
            no = tf.repeat(no, self.transmitter.received_per_frame)
        return b, c, x_rg, *self.propagate(x_rg, no)

    def propagate(self, x_rg, no):
        """A channel drawn at random, and what is received of grids over it."""
        hardware = self.transmitter.hardware
        if hardware is None:
            y, h = self._send_over(x_rg, no)
            return h, add_noise(y, no)
        y, h = self._send_over(hardware.send(x_rg), no)
        h = hardware.seen(h)
        return h, hardware.receive(add_noise(y, no), h)

    def _bits(self, batch_size, ebno_db):
        """Information bits of random images, and the first receiver's decisions."""
        no = self._noise_at(ebno_db)
        b, _, _, h, y = self.transmit(self.draw_images(batch_size), no)
        return b, self.receivers[0].call(y, no, h).b_hat

    def _take(self, picks):
        return image_from_levels(tf.gather(tf.constant(self._images), picks))

    def _counts(self, world: Frames) -> dict[str, dict]:
        receptions = self.receive(world)
        h, grids = self._remove_nulled(world.h), self.transmitter.received_per_frame
        judge, counts = None, {}
        if self._classifier:
            judge = class_counts(self._classifier, world.image)
        for receiver in self.receivers:
            reception = receptions[receiver.name]
            users = self.transmitter.users
            sums = image_counts(world.b, world.image, reception, users)
            sums |= goodput_counts(world.b, reception.b_hat, *self._frame)
            if receiver.estimator is not None:
                sums |= channel_counts(h, reception.h_hat, grids)
            if judge:
                sums |= judge(reception.image_hat)
            counts[receiver.name] = sums
        return counts

    def _covariances(self):
        """Arguments of `LMMSEChannelEstimator`, estimated from the channel itself."""
        if self.scenario.direction == "downlink":
            raise ScenarioError(
                "lmmse does not know channels behind a precoder: use ls or perfect-csi "
                "where direction = 'downlink'"
            )
        draw, to_learn = self._draw_channel, self.scenario.to_learn
        if to_learn is not self.scenario:
            other = open_channel(to_learn, self.transmitter.grids_per_frame)
            draw = tf.function(other, autograph=False)
        config.seed = batch_seed(self.scenario.seed, 0.0, 2**31 - 1)
        found = covariances(lambda n: self._remove_nulled(self._drawn(draw, n)))
        powers = np.array(self.scenario.antennas.powers)
        return *found, powers / powers.mean()

    def _drawn(self, draw, batch_size):
        h, hardware = draw(batch_size), self.transmitter.hardware
        return h if hardware is None else hardware.seen(h)


def _graph(function, **options):
    """A function as a graph, whose tracings TensorFlow counts by themselves.

    It takes functions of the same code for one, and warns of several links that are
    traced once each.
    """
    return tf.function(partial(function), **options)
