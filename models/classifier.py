"""A digit classifier: says whether a restored digit is still the digit sent."""

import keras
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
