"""A denoiser of the learned symbols of images, on the map of their places."""

import keras
from keras import ops

from link_sim.models.layers import conv, residual_block


@keras.saving.register_keras_serializable(package="link_sim")
class SymbolDenoiser(keras.Model):
    """What the symbols of a place and of those around it say of each other.

    Args:
        per_place: Complex numbers of a place.
        width, depth: Channels and residual blocks.
        dtype: Policy of the convolutions.

    Call arguments:
        inputs: `features` [batch, height, width, 2 per_place], linear MMSE estimates of
            symbols of energy 1, and `weights` [batch, height, width, per_place], the
            factors 1 / (1 + no) in them, 0 where nothing was sent.

    Returns float32 [batch, height, width, 3 per_place]: the MMSE estimates, real parts,
    then imaginary parts, and the variances of their complex errors. Before training,
    those of the linear ones.
    """

    def __init__(
        self,
        per_place: int,
        width: int = 64,
        depth: int = 2,
        dtype: str = "float32",
        **kwargs,
    ):
        features = keras.Input((None, None, 2 * per_place))
        weights = keras.Input((None, None, per_place))
        x = ops.concatenate([features, weights], axis=-1)
        x = conv(width, 3, dtype)(x)
        level = keras.layers.GlobalAveragePooling2D(dtype=dtype)(weights)
        embedding = keras.layers.Dense(width, "silu", dtype=dtype)(level)
        for _ in range(depth):
            x = residual_block(x, embedding, dtype)
        last = conv(3 * per_place, 3, "float32", kernel_initializer="zeros")
        found = last(ops.silu(x))
        left = 1 - weights  # variance of the linear estimates' errors
        moved = ops.concatenate([left, left], axis=-1) ** 0.5
        mean = features + moved * found[..., : 2 * per_place]
        log_ratio = ops.clip(found[..., 2 * per_place :], -6, 2)
        estimates = ops.concatenate([mean, left * ops.exp(log_ratio)], axis=-1)
        super().__init__([features, weights], estimates, **kwargs)
        self.config = {
            "per_place": per_place,
            "width": width,
            "depth": depth,
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}
