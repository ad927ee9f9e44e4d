"""Networks that turn images into short real vectors, and vectors back into images."""

import keras
from keras import ops

from link_sim.models.denoiser import PreconditionedDenoiser
from link_sim.models.layers import conv
from link_sim.models.unet import UNet


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
            norm = keras.layers.BatchNormalization(momentum=0.95, dtype="float32")
            x = ops.relu(norm(x))
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

    A linear estimate of the image is made from the vector, quarter by quarter; what it
    leaves is denoised by a U-Net that sees the estimate and the levels, as maps, and
    modulates all its blocks by a context of them and by `sigma`. At `x = 0, sigma =
    1e4` it gives the estimate from the vector alone, as the decoder of an autoencoder
    does.

    Args:
        image_shape: Height, width (multiples of 4) and channels.
        num_features: Length of the vector.
        num_levels: How many levels come with it.
        sigma_data: Standard deviation of the linear estimate's error, for images
            scaled to [-1, 1].
        widths, depths, dtype: Of the U-Net.

    Call arguments:
        x: [batch, height, width, channels].
        sigma: A scalar or [batch, 1, 1, 1].
        vector: [batch, num_features].
        levels: [batch, num_levels], each between 0 (excluded) and 1.
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
        super().__init__(dtype="float32", **kwargs)
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
        sizes = 4, 4 * -(-num_features // 16), height * width * channels // 4
        self.kernel = self.add_weight(sizes, "glorot_uniform", name="kernel")
        self.bias = self.add_weight((4, 1, sizes[2]), "zeros", name="bias")
        dense = keras.layers.Dense
        self.gain = dense(num_features, kernel_initializer="zeros", dtype="float32")
        self.gain.build((None, num_levels))
        self.hidden = dense(32, "silu", dtype="float32")
        self.hidden.build((None, num_features))
        self.control = dense(1, kernel_initializer="zeros", dtype="float32")
        self.control.build((None, 32))
        inputs = height, width, 2 * channels + num_levels
        network = UNet(inputs, channels, widths, depths, dtype)
        self.denoiser = PreconditionedDenoiser(network, sigma_data)
        self.built = True

    def __call__(self, x, sigma, vector, levels, **kwargs):
        sigma = ops.convert_to_tensor(sigma, "float32")  # Keras takes tensors only
        return super().__call__(x, sigma, vector, levels, **kwargs)

    def call(self, x, sigma, vector, levels):
        linear = self.linear_estimate(self.scaled(vector, levels))
        shape = *ops.shape(x)[:3], self.config["num_levels"]
        level_maps = ops.broadcast_to(levels[:, None, None, :], shape)
        condition = ops.concatenate([linear, level_maps], axis=-1)
        return linear + self.denoiser(x - linear, sigma, condition)

    def scaled(self, vector, levels):
        """Each feature times powers of the levels, all by a gain found from them."""
        control = self.control(self.hidden(vector))
        return vector * ops.exp(self.gain(ops.log(levels)) + control)

    def linear_estimate(self, vector):
        """The image as a linear function of a scaled vector, before any denoising."""
        height, width, channels = self.config["image_shape"]
        dealt = ops.transpose(deal(vector), (1, 0, 2))
        parts = ops.matmul(dealt, self.kernel) + self.bias
        parts = ops.reshape(parts, (2, 2, -1, height // 2, width // 2, channels))
        parts = ops.transpose(parts, (2, 0, 3, 1, 4, 5))
        return ops.reshape(parts, (-1, height, width, channels))

    def get_config(self):
        return {**self.config, "name": self.name}


def deal(vector):
    """Deals a vector out to the four quarters of an image.

    vector : [batch, num_features], real parts, then imaginary parts of symbols. They
        go round in pairs of symbols, so that the first symbols serve all quarters.

    Returns [batch, 4, features], padded by zeros.
    """
    parts = ops.reshape(vector, (-1, 2, vector.shape[-1] // 2))
    parts = ops.pad(parts, ((0, 0), (0, 0), (0, -parts.shape[-1] % 8)))
    parts = ops.reshape(parts, (-1, 2, parts.shape[-1] // 8, 4, 2))
    parts = ops.transpose(parts, (0, 3, 2, 4, 1))  # batch, quarter, round, pair, part
    return ops.reshape(parts, (-1, 4, parts.shape[2] * 4))
