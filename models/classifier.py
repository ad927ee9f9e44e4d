"""A digit classifier: says whether a restored digit is still the digit sent."""

import keras
import numpy as np
from keras import ops

from models.layers import conv, space_to_depth


@keras.saving.register_keras_serializable(package="link_sim")
class DigitClassifier(keras.Model):
    """Logits and penultimate features of 28 x 28 digits.

    Args:
        dtype: Policy of the convolutions.

    Call arguments:
        image: [batch, 28, 28, 1] in [0, 1].

    Returns logits [batch, 10] and features [batch, 64], float32.
    """

    def __init__(self, dtype: str = "mixed_bfloat16", **kwargs):
        image = keras.Input((28, 28, 1))
        x = space_to_depth(image)
        for width in (64, 128):
            x = ops.silu(conv(width, 3, dtype)(x))
            x = ops.silu(conv(width, 3, dtype)(x))
            x = keras.layers.MaxPooling2D(dtype=dtype)(x)
        x = ops.cast(ops.reshape(x, (-1, 3 * 3 * 128)), "float32")
        x = keras.layers.Dropout(0.3)(x)
        features = keras.layers.Dense(64, "silu", dtype="float32")(x)
        logits = keras.layers.Dense(10, dtype="float32")(features)
        super().__init__(image, [logits, features], **kwargs)
        self.config = {"dtype": dtype}

    def get_config(self):
        return {**self.config, "name": self.name}


def frechet_distance(features: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two feature sets [samples, dimension] as Gaussians.

        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

    (Heusel et al., "GANs trained by a two time-scale update rule", 2017, eq. 6).
    On a classifier's features: the Fréchet classifier distance. Values depend on the
    classifier and on the number of samples, and compare only where both agree.
    """
    c1 = np.cov(features.astype("float64"), rowvar=False)
    c2 = np.cov(reference.astype("float64"), rowvar=False)
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    gap = features.mean(0) - reference.mean(0)
    return float(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * cross)
