"""An image classifier: says whether a recovered image still shows what was sent."""

import keras
from keras import ops

from link_sim.models.layers import conv, space_to_depth


@keras.saving.register_keras_serializable(package="link_sim")
class ImageClassifier(keras.Model):
    """Logits and penultimate features of small images of ten classes.

    Args:
        image_shape: Height, width (even) and channels; by default those of digits.
        widths: Channels of the pairs of convolutions, each pair at half the resolution
            of the one before.
        dtype: Policy of the convolutions.

    Call arguments:
        image: [batch, height, width, channels] in [0, 1].

    Returns logits [batch, 10] and features [batch, 64], float32.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        widths=(64, 128),
        dtype: str = "mixed_bfloat16",
        **kwargs,
    ):
        image = keras.Input(tuple(image_shape))
        x = space_to_depth(image)
        for width in widths:
            x = ops.silu(conv(width, 3, dtype)(x))
            x = ops.silu(conv(width, 3, dtype)(x))
            x = keras.layers.MaxPooling2D(dtype=dtype)(x)
        x = ops.cast(keras.layers.Flatten(dtype=dtype)(x), "float32")
        x = keras.layers.Dropout(0.3)(x)
        features = keras.layers.Dense(64, "silu", dtype="float32")(x)
        logits = keras.layers.Dense(10, dtype="float32")(features)
        super().__init__(image, [logits, features], **kwargs)
        self.config = {
            "image_shape": list(image_shape),
            "widths": list(widths),
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}
