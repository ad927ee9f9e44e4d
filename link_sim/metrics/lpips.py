"""LPIPS, a learned perceptual distance, by the published AlexNet weights of a user.

The weights are not shipped. The file is an `.npz` with `conv{1..5}_kernel` [height,
width, in, out], `conv{1..5}_bias` [out] and `lin{1..5}` [channels], of the package
`lpips` 0.1 and torchvision's AlexNet; `link-sim lpips convert` makes it of theirs.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from link_sim.metrics.lpips_weights import read
from link_sim.scenarios.data_files import DataFile

SHIFT = np.array([-0.030, -0.088, -0.188], "float32")
SCALE = np.array([0.458, 0.448, 0.450], "float32")
SMALLEST = 31
"""Pixels; smaller images have nothing left after the second pooling."""
STRIDES, PADDINGS = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1)
POOLED = 1, 2
"""Layers (from 0) before which the features are max-pooled."""


class LPIPS:
    """Distance of images, [..., height, width, 1 or 3] in [0, 1] -> [...].

    At five layers of AlexNet the features are normalised to unit length over channels,
    and the squared differences, weighted per channel and averaged over positions, are
    summed (Zhang et al., "The unreasonable effectiveness of deep features as a
    perceptual metric", 2018, eq. 1). Grey images are taken as RGB.

    Raises `ScenarioError` if the file holds no such weights, and `ValueError` if it is
    not the one that the scenario was read with, and for images of less than 31 pixels.
    """

    def __init__(self, file: DataFile):
        self._weights = read(file)

    def __call__(self, image: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        if min(image.shape[-3:-1]) < SMALLEST:
            raise ValueError(
                f"LPIPS needs images of at least {SMALLEST} pixels, these have "
                f"{min(image.shape[-3:-1])}: leave lpips out"
            )
        shape = tf.shape(image)[:-3]
        flat = (tf.reshape(x, [-1, *image.shape[-3:]]) for x in (image, other))
        pairs = zip(*(self._features(x) for x in flat), strict=True)
        distance = sum(
            tf.reduce_mean(tf.reduce_sum((a - b) ** 2 * lin, -1), [1, 2])
            for (a, b), (_, _, lin) in zip(pairs, self._weights, strict=True)
        )
        return tf.reshape(distance, shape)

    def _features(self, image: tf.Tensor) -> Iterator[tf.Tensor]:
        """Unit-length features of the five layers."""
        x = tf.broadcast_to(image, tf.concat([tf.shape(image)[:-1], [3]], 0))
        x = (2 * x - 1 - SHIFT) / SCALE
        for layer, (kernel, bias, _) in enumerate(self._weights):
            if layer in POOLED:
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
            pad = [PADDINGS[layer]] * 2
            x = tf.pad(x, [[0, 0], pad, pad, [0, 0]])
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, STRIDES[layer], "VALID") + bias)
            norm = tf.sqrt(tf.reduce_sum(x**2, -1, keepdims=True))
            yield x / (norm + 1e-10)
