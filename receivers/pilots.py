"""Pilots that learn: their values as weights, where a pattern sends pilots."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sionna.phy.ofdm import PilotPattern

from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class TrainablePilots(ReceiverLayer):
    """The pilots of a grid as weights, of the mean energy that each stream had before.

    Where a stream sends none, it goes on to send none.

    They begin as the pilots of the grid that they are first given to, and serve
    estimators that read `resource_grid.pilot_pattern.pilots` when called, such as
    `LSChannelEstimator` and Sionna's, and perfect channel knowledge.
    """

    def on(self, pattern: PilotPattern) -> "LearnedPattern":
        """The pattern with these values.

        Raises `ValueError` where there are others than before.
        """
        start = np.asarray(pattern.pilots)
        if not self.built:
            parts = np.stack([start.real, start.imag], -1).astype("float32")
            self._parts = self.add_weight(
                shape=parts.shape, initializer=lambda *_, **__: parts, name="pilots"
            )
            self._energy = np.mean(np.abs(start) ** 2, -1).astype("float32")
            self._sent = np.any(parts != 0, -1, keepdims=True).astype("float32")
            self.built = True
        if start.shape != self._parts.shape[:-1]:
            raise ValueError(
                f"these pilots have the shape {self._parts.shape[:-1]} (transmitters, "
                f"streams, pilots), those of the grid {start.shape}: use new ones"
            )
        return LearnedPattern(np.asarray(pattern.mask), self)

    @property
    def values(self):
        """[transmitters, streams, pilots], complex64."""
        parts = self._parts * self._sent
        mean = ops.mean(ops.sum(parts**2, -1), -1)
        parts *= ops.sqrt(self._energy / mean)[..., None, None]
        return tf.complex(parts[..., 0], parts[..., 1])


class LearnedPattern(PilotPattern):
    """A pilot pattern of Sionna with the values of `TrainablePilots`."""

    learns = True

    def __init__(self, mask, layer: TrainablePilots):
        self._layer = layer
        super().__init__(mask, tf.stop_gradient(layer.values), precision="single")

    @property
    def pilots(self):
        return self._layer.values

    @pilots.setter
    def pilots(self, values):
        self._pilots = values  # their number alone counts
