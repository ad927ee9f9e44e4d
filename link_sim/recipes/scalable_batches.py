"""Training of the convolutional semantic networks: channels, losses, random numbers.

The layers here take random numbers as inputs, so that a training step depends on
nothing but its number, on any backend of Keras.
"""

import math

import keras
from keras import ops

from link_sim.models.scalable import (
    error_variance,
    expected_error,
    largest_ratio,
    levels_of,
    of_places,
    sent_mask,
    starting_noise,
)

RATIOS = 1 / 192, 1 / 3
"""Ends of the bandwidth ratios that one network is trained for."""
SNR_DB = -2.0, 22.0
"""Ends of the true SNR 1 / no of training, in dB."""


UNEVEN = 0.5
"""Share of the images whose blocks have ratios of their own."""
UNCERTAINTY = 0.03
"""Weight of the likelihood of the error under its stated variance."""


class ScalableTransmission(keras.layers.Layer):
    """Encoder, channel and decoder in one: the weighted error of the images.

    Bandwidth ratios are uniform in log, SNRs in dB, a twentieth at each end. For half
    of the images each block of places has a ratio of its own. Half of
    the channels are AWGN, half Rician from that to Rayleigh, independent for each
    symbol, which is equalised by its own gain. The weight of an image is the inverse of
    `expected_error`, so that poor and good channels count alike in dB. The error's
    stated variance is trained by its likelihood, which moves the image only little.

    Args:
        encoder, decoder: As `link_sim.models.scalable` has them.
        variational: Whether the encoder gives means and log variances, whose
            divergence from N(0, 1) becomes a loss in units of the weighted error.
        ratios: Ends of the bandwidth ratios, within `RATIOS`.

    Call arguments:
        image: [batch, height, width, channels] in [-1, 1].
        uniforms: [batch, 5] in [0, 1).
        blocks: [batch, height / 16, width / 16] in [0, 1), the ratios of blocks.
        normals: [batch, height / 4, width / 4, 6 per_place].
        detail: [batch], 1, or less where the image is smooth: divides its error.

    Returns [batch, height, width, channels].
    """

    def __init__(
        self, encoder, decoder, variational: bool = False, ratios=RATIOS, **kwargs
    ):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.variational, self.ratios = variational, ratios
        self.built = True

    def call(self, image, uniforms, blocks, normals, detail):
        mean, log_variance, _, expected = self.transmit(
            image, uniforms, blocks, normals
        )
        scale = ops.sqrt(expected * detail)[:, None, None, None]
        error = (mean - image) / scale
        log_variance = ops.clip(log_variance, -8, 4) - ops.log(detail)[:, None, None]
        energy = ops.stop_gradient(ops.mean(error**2, axis=-1))
        surprise = ops.mean(log_variance + energy * ops.exp(-log_variance))
        self.add_loss(UNCERTAINTY * surprise)
        return error

    def transmit(self, image, uniforms, blocks, normals):
        """The decoder's images and the log of their error's variance, [batch, height,
        width], what it was told of the channel, and what is expected of its error."""
        features, weights, levels = self.observe(image, uniforms, blocks, normals)
        found = self.decoder([features, weights, levels])
        expected = expected_error(levels, self._largest(image, normals))
        return found[..., :-1], found[..., -1], levels, expected

    def observe(self, image, uniforms, blocks, normals):
        """What the decoder is told."""
        per_place = normals.shape[-1] // 6
        largest = self._largest(image, normals)
        ends = (math.log(ratio / largest) for ratio in self.ratios)
        own = uniforms[:, 4, None, None] < UNEVEN
        drawn = ops.where(own, blocks, uniforms[:, 0, None, None])
        shares = of_places(ops.exp(_stretch(drawn, *ends)))
        mask = sent_mask(shares, per_place)
        no = 10 ** (-_stretch(uniforms[:, 1], *SNR_DB) / 10)
        parts = ops.split(normals, 6, axis=-1)

        z = self.encoder([image, levels_of(1 / (1 + no), shares)])
        if self.variational:
            z = self._sample(z, ops.concatenate(parts[4:], axis=-1), image.shape)
        real, imag = ops.split(z, 2, axis=-1)
        real, imag = real * mask, imag * mask
        energy = ops.sum(real**2 + imag**2, axis=(1, 2, 3), keepdims=True)
        count = ops.sum(mask, axis=(1, 2, 3), keepdims=True)
        scale = ops.sqrt(count / ops.maximum(energy, 1e-12))

        scattered = ops.maximum(1 - 2 * uniforms[:, 2], 0)[:, None, None, None]
        steady, spread = ops.sqrt(1 - scattered), ops.sqrt(scattered / 2)
        gain = (steady + spread * parts[2]) ** 2 + (spread * parts[3]) ** 2
        no_eff = no[:, None, None, None] / ops.maximum(gain, 1e-6)
        weights, std = mask / (1 + no_eff), ops.sqrt(no_eff / 2)
        real, imag = scale * real + std * parts[0], scale * imag + std * parts[1]
        features = ops.concatenate([weights * real, weights * imag], axis=-1)
        mean = ops.sum(weights, axis=(1, 2, 3)) / count[:, 0, 0, 0]
        return features, weights, levels_of(mean, shares)

    def _largest(self, image, normals):
        return largest_ratio(normals.shape[-1] // 6, image.shape[-1])

    def _sample(self, z, normals, shape):
        mean, log_var = ops.split(z, 2, axis=-1)
        log_var = ops.clip(log_var, -20, 10)
        divergence = mean**2 + ops.exp(log_var) - 1 - log_var
        dimension = shape[1] * shape[2] * shape[3]
        total = ops.mean(ops.sum(divergence, axis=(1, 2, 3)))
        self.add_loss(total / dimension)
        return mean + ops.exp(log_var / 2) * normals


class FlowTransmission(keras.layers.Layer):
    """A transmission by networks that stay as they are, and the error of a flow.

    The flow leads, in a straight line, from the decoder's estimate with a little noise
    to the image; the network is told nothing of the symbols but their levels, so that
    it learns to give such estimates the distribution of images at the least error
    (Ohayon, Michaeli and Elad, "Posterior-mean rectified flow", 2025, algorithm 1).

    Args:
        transmission: A `ScalableTransmission`.
        flow: A `FlowNetwork`.

    Call arguments: as of `ScalableTransmission`, and `noise`, normal, of the image's
    shape. Returns [batch, height, width, channels].
    """

    def __init__(self, transmission, flow, **kwargs):
        super().__init__(**kwargs)
        transmission.trainable = False
        self.transmission, self.flow = transmission, flow
        self.built = True

    def call(self, image, uniforms, blocks, normals, detail, noise):
        found = self.transmission.transmit(image, uniforms, blocks, normals)
        mean, log_variance, levels, expected = found
        variance = error_variance(log_variance, expected)
        scale = ops.sqrt(variance)[:, None, None, None]
        time = uniforms[:, 3:4]
        start = mean + starting_noise(scale) * noise
        x = start + time[:, :, None, None] * (image - start)
        levels = ops.mean(levels, axis=(1, 2))
        levels = ops.concatenate([levels, variance[:, None], time], axis=-1)
        return self.flow([x, levels]) - (image - start) / scale


def _stretch(uniforms, low: float, high: float):
    """Uniform between low and high, a twentieth of all at each end."""
    return low + (high - low) * ops.clip(1.1 * uniforms - 0.05, 0, 1)
