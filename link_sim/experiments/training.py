"""What a Keras user does with a model, done with the link: `fit`, `evaluate`, …

The data are Eb/N0 values; images, channels and noise are drawn anew in each step.
"""

from typing import Any

import keras
import tensorflow as tf

from link_sim.experiments.targets import OUTPUTS, SLOTS, TARGETS, Stages, stages
from link_sim.metrics.keras_metrics import (
    NMSE,
    PSNR,
    BitErrorRate,
    BlockErrorRate,
)
from link_sim.receivers.quiet import without_cast_warnings

INSTEAD = {
    "LDPCDecoder": "the decoder sionna-bp",
    "ConditionalDDPM": "ddpm-soft, which takes soft bits",
    "NoneType": "a restorer, such as pixel-bayes",
}
"""What lets gradients through, by the block that does not."""
LEVELS = [tf.TensorSpec([None])]
"""Of a step: Eb/N0 of each frame [dB]."""


class TrainableLink(keras.Model):
    """The Keras side of `Link`: what `fit`, `evaluate` and `predict` do in a step.

    `evaluate` tells `ber`, `bler`, `psnr` and `nmse` of the first receiver beside loss
    and metrics; `predict` returns what was sent and what was received, by name.
    """

    target = "coded_bits"

    def compile(
        self, optimizer="rmsprop", loss=None, target: str = "coded_bits", **options
    ):
        """Configures training; other arguments as in `keras.Model.compile`.

        target : what loss and metrics compare: `channel` (real and imaginary parts,
            on a last axis), `coded_bits` (c with llr), `symbols` (as sent, with their
            means given the llr; parts as above), `information_bits` (b with soft
            bits), or `image`. Trained are the weights of the first receiver's slots
            that act on it, and of the transmitter.
        loss : binary cross-entropy of logits for bits and mean squared error for the
            others, if not given

        Raises `ValueError` for another target, and for `jit_compile` with a block that
        XLA cannot compile.
        """
        if target not in TARGETS:
            raise ValueError(
                f"target = '{target}' is not known: use {', '.join(TARGETS)}"
            )
        # not what Keras chooses by itself: blocks are compiled one by one
        self.supports_jit = options.get("jit_compile") is True
        if self.supports_jit:
            self._refuse_xla()
        self.target = target
        self._learned = self._traced(self._learn, input_signature=LEVELS)
        loss = TARGETS[target].loss() if loss is None else loss
        super().compile(optimizer=optimizer, loss=loss, **options)

    def get_compile_config(self):
        return super().get_compile_config() | {"target": self.target}

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**config)
        self.optimizer.build(self.trainable_variables)

    @property
    def trainable_variables(self):
        """Of the transmitter, and the slots of the first receiver before the target."""
        acting = self._acting().values()
        found = [v for block in acting for v in _trainable(block)]
        return list({id(v): v for v in found}.values())

    trainable_weights = trainable_variables

    def train_step(self, data):
        ebno_db = _levels(data)
        loss, y, y_pred, gradients = self._learned(ebno_db)
        variables = self.trainable_variables
        self._refuse_cuts(variables, gradients, ebno_db)
        self._note(loss, ebno_db)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        logs = self.compute_metrics(None, y, y_pred)
        return {name: logs[name] for name in logs if name not in self.judges}

    def test_step(self, data):
        ebno_db = _levels(data)
        passed = self._evaluated(ebno_db)
        y, y_pred = TARGETS[self.target].pair(self, passed)
        self._note(self.compute_loss(y=y, y_pred=y_pred, training=False), ebno_db)
        for judge, (sent, found) in self.judges.items():
            self._judges[judge].update_state(passed[sent], passed[found])
        return self.compute_metrics(None, y, y_pred)

    def predict_step(self, data):
        return self._evaluated(_levels(data))

    @property
    def judges(self) -> dict[str, tuple[str, str]]:
        """Metrics that `evaluate` adds, and what each compares."""
        compared = {
            "ber": ("b", "b_hat"),
            "bler": ("b", "b_hat"),
            "psnr": ("image", "image_hat"),
            "nmse": ("h", "h_hat"),
        }
        if self.receivers[0].estimator is None:
            del compared["nmse"]
        return compared

    def _settle(self, traced, whole: bool):
        """Makes what the steps need; builds receivers that were made elsewhere."""
        self._traced = traced
        # one graph for all batch sizes: the same numbers in the same order
        self._evaluated = traced(self._evaluate, input_signature=LEVELS)
        metrics = BitErrorRate, BlockErrorRate, PSNR, NMSE
        made = {metric.name: metric for metric in (kind() for kind in metrics)}
        self._judges = {name: made[name] for name in self.judges}
        if not whole:
            traced(self._look).get_concrete_function()
        self.built = True

    def _look(self):
        """Has all receivers see a frame."""
        _, _, _, h, y = self.transmit(self.draw_images(1), tf.constant(1.0))
        for receiver in self.receivers:
            receiver(y, tf.constant(1.0), h)

    def _pass(self, ebno_db, number, training):
        """Frames as sent, and what the first slots of a receiver made of them."""
        no, image = self._noise_at(ebno_db), self.draw_images(tf.shape(ebno_db)[0])
        b, c, x_rg, h, y = self.transmit(image, no)
        no = tf.repeat(no, self.transmitter.received_per_frame)
        made = Stages(self.receivers[0])(y, no, h, number=number, training=training)
        h = self._remove_nulled(h)
        return {"image": image, "b": b, "c": c, "x_rg": x_rg, "h": h, **made}

    def _evaluate(self, ebno_db):
        return self._pass(ebno_db, len(SLOTS), training=False)

    def _learn(self, ebno_db):
        """Loss, what it compares, and its gradients, of frames at random."""
        target = TARGETS[self.target]
        if self.receivers[0].loop is not None:
            raise ValueError(
                "receivers with idd or joint do not learn: train their blocks in a "
                "receiver without it, and give them to one with it"
            )
        with tf.GradientTape() as tape:
            y, y_pred = target.pair(
                self, self._pass(ebno_db, target.stages, training=True)
            )
            loss = self.compute_loss(y=y, y_pred=y_pred, training=True)
            scaled = self.optimizer.scale_loss(loss)
        with without_cast_warnings():
            return loss, y, y_pred, tape.gradient(scaled, self.trainable_variables)

    def _acting(self) -> dict[str, Any]:
        """The blocks that act on the target, by their slots."""
        slots = SLOTS[: TARGETS[self.target].stages]
        blocks = {slot: getattr(self.receivers[0], slot) for slot in slots}
        sender = self.transmitter
        sent = {"constellation": sender.constellation, "pilots": sender.pilots}
        return sent | blocks

    def _note(self, loss, ebno_db):
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(ebno_db)[0])

    def _refuse_xla(self):
        for layer in self.receivers[0]._flatten_layers():
            if not layer.supports_jit:
                raise ValueError(
                    f"{type(layer).__name__} cannot be compiled with XLA as a whole: "
                    "leave jit_compile out"
                )

    def _refuse_cuts(self, variables, gradients, ebno_db):
        """Raises `ValueError` if no gradient reaches any weight of a block."""
        reached = {
            id(v) for v, g in zip(variables, gradients, strict=True) if g is not None
        }
        if not variables:
            raise ValueError(
                f"nothing that acts on target = '{self.target}' is trainable in the "
                f"receiver '{self.receivers[0].name}': choose a later target, such as "
                "image for a restorer, or a receiver with weights"
            )
        for slot, block in self._acting().items():
            own = {id(v) for v in _trainable(block)}
            if own and not own & reached:
                with without_cast_warnings():
                    cut = self._cut(slot, ebno_db)
                instead = INSTEAD.get(cut, "a differentiable block")
                raise ValueError(
                    f"{cut if cut != 'NoneType' else 'the hard decision on bits'} lets "
                    f"no gradient through from target = '{self.target}' to the {slot}: "
                    f"use {instead}, or set trainable = False on the {slot}"
                )

    def _cut(self, slot: str, ebno_db) -> str:
        """The type of the block behind a slot that gradients do not pass."""
        receiver, number = self.receivers[0], TARGETS[self.target].stages
        no = tf.repeat(self._noise_at(ebno_db), self.transmitter.received_per_frame)
        image = self.draw_images(tf.shape(ebno_db)[0])
        h, y = self.transmit(image, self._noise_at(ebno_db))[3:]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y)
            made = [y]
            for name, outputs in zip(
                OUTPUTS[:number], stages(receiver, y, no, h), strict=False
            ):
                tape.watch(outputs[name])
                made.append(outputs[name])
        first = SLOTS.index(slot) if slot in SLOTS else 0
        for i in range(first + 1, number):
            if tape.gradient(made[i + 1], made[i]) is None:
                return type(getattr(receiver, SLOTS[i])).__name__
        return type(self._acting()[slot]).__name__


def _trainable(block) -> list:
    return list(getattr(block, "trainable_variables", ()))


def _levels(data):
    """Eb/N0 of each frame [dB], of what Keras hands to a step."""
    ebno_db, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    if y is not None or weights is not None:
        raise ValueError(
            "the link draws by itself what it is compared with: give Eb/N0 values alone"
        )
    return tf.cast(tf.reshape(ebno_db, [-1]), tf.float32)
