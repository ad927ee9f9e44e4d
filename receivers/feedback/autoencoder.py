"""A codec whose transform is a network: an autoencoder of channels, levels, words."""

import numpy as np
from keras import ops

from link_sim.receivers.feedback.arithmetic import Reader, Writer
from link_sim.receivers.feedback.codecs import STATES, coded, finite
from link_sim.receivers.feedback.transform import plan, read, write


class AutoencoderCodec:
    """Levels of the components that a `ChannelAutoencoder` makes of fields.

    Which are told, and how finely, follows from their variances; the word is exact.
    """

    least = 1

    def __init__(self, autoencoder):
        self._network = autoencoder
        variances = np.asarray(ops.convert_to_numpy(autoencoder.variances), float)
        self._order = np.argsort(-variances, kind="stable")
        self._variances = variances[self._order]

    def encode(self, h, bits: int) -> list[str]:
        """Words of at most so many bits."""
        h = finite(h).astype("complex64")
        z = ops.convert_to_numpy(self._network.encode(h)).reshape(len(h), -1)
        planned, words = plan(self._variances, bits, STATES), []
        plans = [planned] * len(h)
        z = z[:, self._order].astype(complex)
        for told, _ in coded(z, plans, np.full(len(h), bits)):
            writer = Writer()
            write(writer, told, planned, STATES)
            words.append(writer.word())
        return words

    def decode(self, words: list[str], bits: int) -> np.ndarray:
        """The fields of words."""
        planned = plan(self._variances, bits, STATES)
        z = np.zeros((len(words), len(self._order)), "complex64")
        for own, word in zip(z, words, strict=True):
            told = read(Reader(word), planned, STATES)
            own[self._order[: len(told)]] = told
        level = np.full(len(words), planned.level, "float32")
        z = z.reshape(-1, *self._network.shape)
        return ops.convert_to_numpy(self._network.decode(z, level)).astype(complex)
