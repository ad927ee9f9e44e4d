"""A U-Net of two resolutions, shaped for speed on CPUs with matrix units.

The image is folded to half its height and width first, so that no convolution
runs at full resolution, and all widths are multiples of 32.
"""

import keras
from keras import ops

from link_sim.models.layers import (
    conv,
    depth_to_space,
    fourier_features,
    residual_block,
    space_to_depth,
)


@keras.saving.register_keras_serializable(package="link_sim")
class UNet(keras.Model):
    """Maps an image and a noise level to an image of `out_channels` channels.

    Every block is modulated by the level and by a global context: the spatial mean
    of early features, from which the network can tell how unreliable its input is.

    Args:
        image_shape: Height, width (multiples of 4) and channels of the input.
        out_channels: Channels of the output.
        widths: Channels at half and at quarter resolution.
        depths: Residual blocks at half resolution (on the way down and again up)
            and at quarter resolution.
        dtype: Policy of all layers; `mixed_bfloat16` is fastest where the CPU has
            matrix units (AMX), `float32` elsewhere.

    Call arguments:
        inputs: `image` [batch, height, width, channels] and `level` [batch, 1].

    Returns float32 [batch, height, width, out_channels], zero before training.
    """

    def __init__(self, image_shape, out_channels, widths, depths, dtype, **kwargs):
        image, level = keras.Input(image_shape), keras.Input((1,))
        narrow, wide = widths
        dense = keras.layers.Dense

        x = conv(narrow, 3, dtype)(space_to_depth(image))
        context = ops.mean(ops.silu(conv(wide, 1, dtype)(ops.silu(x))), axis=(1, 2))
        features = ops.concatenate([fourier_features(level), context], axis=-1)
        embedding = ops.silu(dense(wide, "silu", dtype=dtype)(features))
        for _ in range(depths[0]):
            x = residual_block(x, embedding, dtype)
        skip = x
        x = dense(wide, dtype=dtype)(space_to_depth(x))
        for _ in range(depths[1]):
            x = residual_block(x, embedding, dtype)
        x = depth_to_space(dense(4 * narrow, dtype=dtype)(x)) + skip
        for _ in range(depths[0]):
            x = residual_block(x, embedding, dtype)
        last = conv(4 * out_channels, 3, dtype, kernel_initializer="zeros")
        x = ops.cast(depth_to_space(last(ops.silu(x))), "float32")

        super().__init__([image, level], x, **kwargs)
        self.config = {
            "image_shape": list(image_shape),
            "out_channels": out_channels,
            "widths": list(widths),
            "depths": list(depths),
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}
