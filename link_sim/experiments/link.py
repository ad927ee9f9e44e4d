"""The link: images through transmitter and channel to every receiver compared."""

from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.ofdm import RemoveNulledSubcarriers
from sionna.phy.utils import ebnodb2no

from link_sim.engine.memory import fit_into_memory, parts
from link_sim.engine.montecarlo import batch_seed
from link_sim.experiments.diffusion_restorers import DiffusionRestorers
from link_sim.metrics.counts import channel_counts, class_counts, image_counts, numbers
from link_sim.metrics.rates import add_all
from link_sim.models.pretrained import load_model
from link_sim.receivers.catalog import build_receivers
from link_sim.receivers.chain import Receiver, Reception, receive
from link_sim.scenarios.loading import Scenario, ScenarioError
from link_sim.world.channel import Channel, add_noise, apply_channel, covariances
from link_sim.world.sources import load_images
from link_sim.world.transmitter import Transmitter


class Transmission(NamedTuple):
    """One batch on the air; shapes as in `Transmitter` and `Channel`."""

    b: tf.Tensor
    c: tf.Tensor
    x_rg: tf.Tensor
    h: tf.Tensor
    y: tf.Tensor
    no: tf.Tensor

    def frames(self, first: int, last: int, batch_size: int) -> "Transmission":
        """Frames `first` to `last - 1` of a batch; one `no` serves all of them."""

        def part(x):
            rows = x.shape[0] // batch_size  # of one frame
            return x[first * rows : last * rows]

        return Transmission(*(part(x) if x.shape.rank else x for x in self))


class Link(keras.Model):
    """An image link over a Sionna MIMO-OFDM chain, with one or several receivers.

    One pass runs the transmitter and the channel once and hands the same `y` to all
    receivers.

    Parameters
    ----------
    scenario : Scenario
    receivers : names (see `link_sim.receivers.chain`) or `Receiver` objects;
        those of the scenario if not given

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

    `fit` trains whatever is trainable in the first receiver on the coded bits: its data
    are Eb/N0 values, its loss compares bits `c` with `llr`, such as
    `keras.losses.BinaryCrossentropy(from_logits=True)`.

    `frames_at_once` frames of a numbered batch are received at a time: all, until the
    memory does not hold them. The batch's world and its counts do not depend on it.

    Raises `ScenarioError` if Sionna cannot do what the scenario asks for.
    """

    def __init__(self, scenario: Scenario, receivers=None):
        super().__init__(name=scenario.name)
        self._allow_non_tensor_positional_args = True  # as Sionna's blocks do
        self.scenario = scenario
        _ = config.tf_rng  # made now: a graph that makes it is traced twice
        self.frames_at_once = scenario.batch_size
        self._images = load_images(scenario.payload)
        self.transmitter = Transmitter(scenario, self._images.shape[1:])
        self.channel = Channel(scenario, self.transmitter.grids_per_frame)
        self._draw_channel = tf.function(self.channel, autograph=False)
        self._remove_nulled = RemoveNulledSubcarriers(self.transmitter.resource_grid)
        receivers = list(receivers or scenario.receivers)
        names = [r for r in receivers if isinstance(r, str)]
        try:
            built = build_receivers(names, self.transmitter, self._covariances)
        except ValueError as error:
            raise ScenarioError(str(error)) from None
        built = dict(zip(names, built, strict=True))
        self.receivers = [r if isinstance(r, Receiver) else built[r] for r in receivers]
        self._diffusion = DiffusionRestorers(self.receivers)
        digits = self.transmitter.image_shape == (28, 28, 1)
        self._classifier = load_model("digit-classifier") if digits else None
        # AutoGraph takes seconds; only blocks that are not ours may need it
        traced = partial(tf.function, autograph=names != receivers)
        self._simulate = traced(self._counts)
        self._send = traced(self._transmit_at)
        self._judge = traced(self._received_counts)
        self._sent_and_decided = traced(self._bits, reduce_retracing=True)
        self._train_on = traced(self._coded_bits, reduce_retracing=True)

    def build(self, *shapes):
        """Does nothing: the blocks build themselves when first called."""

    def call(self, batch_size, ebno_db):
        return self._sent_and_decided(batch_size, ebno_db)

    def noise_variance(self, point, axis: str):
        """`no` at a point of the axis; dB, or anything at a fixed Es/N0."""
        if axis == "num_steps":
            axis, point = "esno_db", self.scenario.sweep.esno_db
        if axis == "esno_db":
            return 10.0 ** (-tf.cast(point, tf.float32) / 10)
        return ebnodb2no(
            tf.cast(point, tf.float32),
            self.transmitter.num_bits_per_symbol,
            self.transmitter.effective_rate,
            self.transmitter.resource_grid,
        )

    def draw_images(self, batch_size):
        """Images at random: [batch, images_per_frame, height, width, channels]."""
        shape = [batch_size, self.transmitter.images_per_frame]
        return self._take(config.tf_rng.uniform(shape, 0, len(self._images), tf.int32))

    def batch_images(self, batch_index: int):
        """The images of a numbered batch: the pool in order, again from its start."""
        shape = self.scenario.batch_size, self.transmitter.images_per_frame
        first = batch_index * shape[0] * shape[1]
        picks = (first + np.arange(shape[0] * shape[1])) % len(self._images)
        return self._take(picks.reshape(shape))

    def transmit(self, image, no) -> Transmission:
        """Sends images [batch, images_per_frame, ...] over the channel."""
        b, c, x_rg = self.transmitter(image)
        if no.shape.rank == 1:
            no = tf.repeat(no, self.transmitter.grids_per_frame)
        h, y = self.propagate(x_rg, no)
        return Transmission(b, c, x_rg, h, y, no)

    def propagate(self, x_rg, no):
        """A channel drawn at random, and what is received of grids over it."""
        frames = tf.shape(x_rg)[0] // self.transmitter.grids_per_frame
        h = self._draw_channel(frames)
        return h, add_noise(apply_channel(x_rg, h), no)

    def receive(self, sent: Transmission) -> dict[str, Reception]:
        """What each receiver makes of the same transmission."""
        return receive(self.receivers, sent.y, sent.no, sent.h)

    def seed(self, point: float, batch_index: int) -> int:
        """Seed of a batch; numbers of steps are compared in the same world."""
        sweep = self.scenario.sweep
        radio = sweep.esno_db if sweep.axis == "num_steps" else point
        return batch_seed(self.scenario.seed, radio, batch_index)

    def simulate(self, point: float, batch_index: int) -> dict[str, dict[str, float]]:
        """Counts of every receiver for one seeded batch; see `link_sim.metrics.counts`.

        Halves `frames_at_once` where the memory does not hold the batch.
        """
        return fit_into_memory(self, partial(self._simulate_batch, point, batch_index))

    def recover(self, point: float, batch_index: int, number: int) -> dict:
        """The first frames of a seeded batch as each receiver recovers their images."""
        return fit_into_memory(self, partial(self._recover, point, batch_index, number))

    def _recover(self, point: float, batch_index: int, number: int) -> dict:
        size, found = self.scenario.batch_size, {}
        image = self._seeded_images(point, batch_index)
        self._diffusion.set_steps(self._steps(point))
        whole = self._transmit_at(point, image)
        for first, last in parts(min(number, size), self.frames_at_once):
            self._diffusion.reseed(self.seed(point, batch_index))
            place = first * image.shape[1], size * image.shape[1]
            with self._diffusion.placed(place), self._starting_at(first):
                received = self.receive(whole.frames(first, last, size))
            for name, reception in received.items():
                found.setdefault(name, []).append(reception.image_hat)
        return {name: tf.concat(images, axis=0) for name, images in found.items()}

    def train_step(self, data):
        ebno_db = keras.utils.unpack_x_y_sample_weight(data)[0]
        with tf.GradientTape() as tape:
            c, llr = self._train_on(tf.reshape(ebno_db, [-1]))
            loss = self.compute_loss(y=c, y_pred=llr)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return self.get_metrics_result()

    def _bits(self, batch_size, ebno_db):
        """Information bits of random images, and the first receiver's decisions."""
        image = self.draw_images(batch_size)
        sent = self.transmit(image, self.noise_variance(ebno_db, "ebno_db"))
        return sent.b, self.receivers[0].call(sent.y, sent.no, sent.h).b_hat

    def _coded_bits(self, ebno_db):
        """Codewords of random images, and their LLRs in the first receiver."""
        receiver = self.receivers[0]
        image = self.draw_images(tf.shape(ebno_db)[0])
        sent = self.transmit(image, self.noise_variance(ebno_db, "ebno_db"))
        h_hat, err_var = receiver.estimate(sent.y, sent.no, sent.h)
        return sent.c, receiver.detect(sent.y, h_hat, err_var, sent.no)

    def _take(self, picks):
        images = tf.gather(tf.constant(self._images), picks)
        return tf.cast(images, tf.float32) / 255

    def _simulate_batch(self, point, batch_index):
        """Counts of one batch, in parts of `frames_at_once` frames."""
        size, step = self.scenario.batch_size, self.frames_at_once
        image = self._seeded_images(point, batch_index)
        steps, point = self._steps(point), tf.constant(point, tf.float32)
        if step >= size:
            return numbers(self._simulate(point, image, steps))
        sent, total = self._send(point, image), {}
        for first, last in parts(size, step):
            self._diffusion.reseed(self.seed(float(point), batch_index))
            place = tf.constant(first * image.shape[1]), size * image.shape[1]
            part = sent.frames(first, last, size), image[first:last]
            with self._starting_at(first):
                add_all(total, numbers(self._judge(*part, steps, place)))
        return total

    def _counts(self, point, image, num_steps):
        return self._received_counts(self._transmit_at(point, image), image, num_steps)

    def _transmit_at(self, point, image) -> Transmission:
        no = self.noise_variance(point, self.scenario.sweep.axis)
        return self.transmit(image, no)

    def _received_counts(self, sent: Transmission, image, num_steps, place=None):
        """Counts of what was sent; `place` as `DiffusionRestorers.placed` has it."""
        self._diffusion.set_steps(num_steps)
        with self._diffusion.placed(place):
            receptions = self.receive(sent)
        h, grids = self._remove_nulled(sent.h), self.transmitter.grids_per_frame
        counts = {}
        judge = class_counts(self._classifier, image) if self._classifier else None
        for receiver in self.receivers:
            reception = receptions[receiver.name]
            counts[receiver.name] = image_counts(sent.b, image, reception)
            if receiver.estimator is not None:
                counts[receiver.name] |= channel_counts(h, reception.h_hat, grids)
            if judge:
                counts[receiver.name] |= judge(reception.image_hat)
        return counts

    def _seeded_images(self, point: float, batch_index: int):
        """The images of a batch, whose world and samplers it seeds."""
        seed = self.seed(point, batch_index)
        config.seed = seed
        self._diffusion.reseed(seed)
        return self.batch_images(batch_index)

    @contextmanager
    def _starting_at(self, first: int):
        """Takes the first frame at hand for that of this number in a batch."""
        self.transmitter.first_frame.assign(first)
        try:
            yield
        finally:
            self.transmitter.first_frame.assign(0)

    def _steps(self, point: float) -> int | None:
        return int(point) if self.scenario.sweep.axis == "num_steps" else None

    def _covariances(self):
        """Arguments of `LMMSEChannelEstimator`, estimated from the channel itself."""
        config.seed = batch_seed(self.scenario.seed, 0.0, 2**31 - 1)
        return covariances(lambda n: self._remove_nulled(self._draw_channel(n)))
