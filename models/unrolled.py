"""Networks that weigh what the steps of an unrolled receiver found."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="link_sim")
class UnrolledSteps(keras.layers.Layer):
    """A small network for each step: features of a symbol to numbers about it.

    Two hidden layers each, the same for every symbol; the last layer begins at 0.

    Args:
        steps: Number of networks.
        features: Of each symbol.
        outputs: Of each symbol.
        width: Of the hidden layers.

    Call arguments:
        seen: [..., features].
        step: Which network, int.

    Returns [..., outputs].
    """

    def __init__(self, steps, features, outputs, width=64, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.steps, self.features = steps, features
        self.outputs, self.width = outputs, width
        self.networks = [self._network() for _ in range(steps)]
        self.built = True

    def call(self, seen, step):
        for layer in self.networks[step]:
            seen = layer(seen)
        return ops.clip(seen, -5.0, 5.0)

    def get_config(self):
        names = "steps", "features", "outputs", "width"
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _network(self) -> list:
        dense = keras.layers.Dense
        layers = [
            dense(self.width, "silu", dtype="float32"),
            dense(self.width, "silu", dtype="float32"),
            dense(self.outputs, kernel_initializer="zeros", dtype="float32"),
        ]
        sizes = self.features, self.width, self.width
        for layer, size in zip(layers, sizes, strict=True):
            layer.build((None, size))
        return layers
