"""Symbols of a whole grid as far as LLRs of its coded bits tell them."""

import numpy as np
import tensorflow as tf

from link_sim.models.approximate_messages import moments
from link_sim.receivers.detection.symbols import level_logits
from link_sim.receivers.estimation.data_aided import Symbols


class SoftSymbols:
    """Means and variances of the symbols of all elements in use; pilots are certain.

    Parameters
    ----------
    transmitter : whose pilots, superimposed ones among them, are known: a `LinkContext`
    mapping : MIMODetector, whose levels and labels are those of the symbols

    Input
    -----
    llr : [grids, 1, streams, data symbols * bits], of the data

    Output
    ------
    : `Symbols`
    """

    def __init__(self, transmitter, mapping):
        self.mapping, superimposed = mapping, transmitter.superimposed
        self._pilots, self._place = _pilots(transmitter.resource_grid)
        self._scale = 1.0
        if superimposed is not None:
            self._pilots = self._pilots + superimposed.known
            self._scale = superimposed.scale

    def __call__(self, llr) -> Symbols:
        streams, bits = llr.shape[2], self.mapping.num_bits_per_symbol
        llr = tf.reshape(llr[:, 0], [tf.shape(llr)[0], streams, -1, bits])
        llr = tf.transpose(llr, [0, 2, 1, 3])
        found = moments(level_logits(llr, self.mapping.labels), self.mapping.levels)
        (real, imag), variances = (tf.split(z, 2, axis=-1) for z in found)
        mean = self._scale * self._placed(tf.complex(real, imag)) + self._pilots
        return Symbols(mean, self._scale**2 * self._placed(tf.add_n(variances)))

    def _placed(self, data):
        """[grids, data, streams] -> [grids, streams, elements], zero at pilots."""
        data = tf.transpose(tf.pad(data, [[0, 0], [0, 1], [0, 0]]), [0, 2, 1])
        return tf.gather(data, self._place, axis=2)


def _pilots(grid):
    """Pilots on the elements in use, [streams, elements], and where among the data the
    others are; there are as many data as the places of pilots say."""
    mask = np.asarray(grid.pilot_pattern.mask)[0].astype(bool)
    mask = mask.reshape(mask.shape[0], -1)
    pilots = np.zeros(mask.shape, "complex64")
    pilots[mask] = np.asarray(grid.pilot_pattern.pilots)[0].ravel()
    place = np.where(mask[0], np.sum(~mask[0]), np.cumsum(~mask[0]) - 1)
    return pilots, place
