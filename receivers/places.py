"""Where the features of an image lie, and in which order they are sent."""

import numpy as np
from keras import ops

from link_sim.models.scalable import FOLD, place_ranks, sent_mask


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

    def first(self, count: int, per_place: int) -> np.ndarray:
        """Which `count` numbers of a map are sent, in order, by places all alike.

        Returns indices of [height, width, per_place], flat.
        """
        return self._order(per_place)[:count]

    def some(self, shares: np.ndarray, per_place: int) -> np.ndarray:
        """The same where each place sends a share of its numbers, [height, width]."""
        mask = np.ravel(sent_mask(shares[None], per_place)[0])
        order = self._order(per_place)
        return order[mask[order] > 0]

    def _order(self, per_place: int) -> np.ndarray:
        places = np.argsort(self.ranks)
        return np.ravel(places * per_place + np.arange(per_place)[:, None])

    def symbols_of(self, maps, sent: np.ndarray):
        """[batch, height, width, per_place] -> the numbers sent, [batch, k]."""
        size = self.number * maps.shape[-1]
        return ops.take(ops.reshape(maps, (-1, size)), sent, axis=1)

    def map_of(self, symbols, sent: np.ndarray, per_place: int):
        """The inverse of `symbols_of`, 0 where nothing was sent."""
        source = np.full(self.number * per_place, len(sent))
        source[sent] = np.arange(len(sent))
        maps = ops.take(ops.pad(symbols, ((0, 0), (0, 1))), source, axis=1)
        return ops.reshape(maps, (-1, *self.shape, per_place))
