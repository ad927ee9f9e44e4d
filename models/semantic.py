"""Networks that turn images into short real vectors, and vectors back into images."""

import keras
from keras import ops

from models.denoiser import PreconditionedDenoiser
from models.layers import conv
from models.unet import UNet


@keras.saving.register_keras_serializable(package="link_sim")
class SemanticEncoder(keras.Model):
    """Four 3x3 convolutions of stride 2 with batch normalisation and ReLU, then dense.

    The encoder of Letafati, Ali and Latva-aho ("Diffusion models for wireless
    communications", 2023, section IV-B); widths are ours.

    Args:
        image_shape: Height, width and channels.
        num_features: Length of the vector, twice the largest number of symbols.
        widths: Channels of the four convolutions.
        dtype: Policy of the convolutions.

    Call arguments:
        image: [batch, height, width, channels] in [0, 1].

    Returns float32 [batch, num_features], of no particular scale.
    """

    def __init__(
        self,
        image_shape,
        num_features: int,
        widths=(64, 128, 256, 256),
        dtype: str = "float32",
        **kwargs,
    ):
        image = keras.Input(tuple(image_shape))
        x = 2 * image - 1
        for width in widths:
            x = conv(width, 3, dtype, strides=2, use_bias=False)(x)
            x = ops.relu(keras.layers.BatchNormalization(momentum=0.95)(x))
        x = keras.layers.Flatten(dtype="float32")(x)
        features = keras.layers.Dense(num_features, dtype="float32")(x)
        super().__init__(image, features, **kwargs)
        self.config = {
            "image_shape": list(image_shape),
            "num_features": num_features,
            "widths": list(widths),
            "dtype": dtype,
        }

    def get_config(self):
        return {**self.config, "name": self.name}


@keras.saving.register_keras_serializable(package="link_sim")
class SemanticDenoiser(keras.layers.Layer):
    """A denoiser of images that is told a vector: `x0_hat = denoiser(x, sigma, ...)`.

    The vector becomes one feature map by a dense layer, each level a constant map; they
    join the image as input of a U-Net, which modulates all its blocks by a context of
    them and by `sigma`. At `x = 0, sigma = 1e4` it gives the estimate from the vector
    alone, as the decoder of an autoencoder does.

    Args:
        image_shape: Height, width (multiples of 4) and channels.
        num_features: Length of the vector.
        num_levels: How many levels come with it.
        sigma_data: Standard deviation of the clean images, scaled to [-1, 1].
        widths, depths, dtype: Of the U-Net.

    Call arguments:
        x: [batch, height, width, channels].
        sigma: A scalar or [batch, 1, 1, 1].
        vector: [batch, num_features].
        levels: [batch, num_levels], each of order 1.
    """

    def __init__(
        self,
        image_shape,
        num_features: int,
        num_levels: int,
        sigma_data: float,
        widths=(64, 128),
        depths=(1, 3),
        dtype: str = "float32",
        **kwargs,
    ):
        super().__init__(**kwargs)
        height, width, channels = image_shape
        self.config = {
            "image_shape": list(image_shape),
            "num_features": num_features,
            "num_levels": num_levels,
            "sigma_data": sigma_data,
            "widths": list(widths),
            "depths": list(depths),
            "dtype": dtype,
        }
        self.dense = keras.layers.Dense(height * width, dtype="float32")
        self.dense.build((None, num_features))
        inputs = height, width, channels + 1 + num_levels
        network = UNet(inputs, channels, widths, depths, dtype)
        self.denoiser = PreconditionedDenoiser(network, sigma_data)
        self.built = True

    def __call__(self, x, sigma, vector, levels, **kwargs):
        sigma = ops.convert_to_tensor(sigma, "float32")  # Keras takes tensors only
        return super().__call__(x, sigma, vector, levels, **kwargs)

    def call(self, x, sigma, vector, levels):
        _, height, width, _ = x.shape
        feature_map = ops.reshape(self.dense(vector), (-1, height, width, 1))
        shape = ops.shape(x)[0], height, width, self.config["num_levels"]
        level_maps = ops.broadcast_to(levels[:, None, None, :], shape)
        condition = ops.concatenate([feature_map, level_maps], axis=-1)
        return self.denoiser(x, sigma, condition)

    def get_config(self):
        return {**self.config, "name": self.name}
