"""Where the features of an image lie, and in which order they are sent."""

import numpy as np
from keras import ops

from link_sim.models.scalable import FOLD, place_ranks


class Places:
    """The map of places of an image, and the order in which they send.

    Args:
        image_shape: Height, width and channels of the image.
    """

    def __init__(self, image_shape):
        self.shape = tuple(-(-side // FOLD) for side in image_shape[:2])
        self.number = self.shape[0] * self.shape[1]
        self.margins = [
            FOLD * a - b for a, b in zip(self.shape, image_shape, strict=False)
        ]
        self.ranks = place_ranks(*self.shape).ravel()

    def pad(self, image):
        """Images with their last rows and columns repeated to sides of whole places."""
        if not any(self.margins):
            return image
        rows, columns = ((0, margin) for margin in self.margins)
        return ops.pad(image, ((0, 0), rows, columns, (0, 0)), "symmetric")

    def sequence(self, x):
        """[batch, height, width, features] -> [batch, features, places], in order."""
        x = ops.reshape(x, (-1, self.number, x.shape[-1]))
        return ops.transpose(ops.take(x, np.argsort(self.ranks), axis=1), (0, 2, 1))

    def map_of(self, symbols, per_place: int):
        """Values of the first symbols as maps, 0 for the others.

        symbols : [batch, count]; returns [batch, height, width, per_place]
        """
        free = per_place * self.number - symbols.shape[-1]
        symbols = ops.pad(symbols, ((0, 0), (0, free)))
        return self.image(ops.reshape(symbols, (-1, per_place, self.number)))

    def symbols_of(self, maps, count: int):
        """The inverse of `map_of`, for so many symbols."""
        sequence = self.sequence(maps)
        return ops.reshape(sequence, (-1, maps.shape[-1] * self.number))[:, :count]

    def image(self, values):
        """The inverse of `sequence`."""
        x = ops.take(ops.transpose(values, (0, 2, 1)), self.ranks, axis=1)
        return ops.reshape(x, (-1, *self.shape, x.shape[-1]))
