"""A soft source decoder: from LLRs of the bits of an image to posterior logits.

An LLR is a noisy bit: for `r = b + sigma n` with b = +-1, `llr = 2 r / sigma^2`. A
denoiser of the eight bit planes of an image ("analog bits", Chen et al., 2023) that
is told the reliability of each bit thus turns LLRs into posterior logits, and logits
minus LLRs are what the image model knows beyond the decoder.
"""

import keras
import numpy as np
from keras import ops

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype("float32")
"""The bits of each level, most significant first: [256, 8]."""

CERTAIN = 30.0
"""LLRs are clipped to this magnitude."""


def bit_posteriors(llr, log_prior):
    """Exact posterior logits of bits whose pixels are independent.

        logit_i = log sum_{v: b_i(v)=1} p(v | llr) - log sum_{v: b_i(v)=0} p(v | llr)
        p(v | llr) ~ p(v) exp(sum_i llr_i b_i(v))

    Args:
        llr: log p(1)/p(0), most significant bit first, [batch, ..., 8].
        log_prior: log p(v) up to a constant, [..., 256].
    """
    llr = ops.clip(llr, -CERTAIN, CERTAIN)
    score = ops.matmul(llr, BITS.T) + log_prior
    p = ops.exp(score - ops.max(score, axis=-1, keepdims=True))
    ones, zeros = ops.matmul(p, BITS), ops.matmul(p, 1 - BITS)
    return ops.log(ones + 1e-30) - ops.log(zeros + 1e-30)


@keras.saving.register_keras_serializable(package="link_sim")
class BitPlaneDenoiser(keras.layers.Layer):
    """Posterior logits of image bits: those of independent pixels plus a correction.

        logits = bit_posteriors(llr, log_prior) + network(llr, bit_posteriors)

    Untrained, the correction is zero.

    Args:
        network: A Keras model of [batch, height, width, 24 channels] and a level
            [batch, 1] with 8 outputs per image channel, such as `UNet`.
        image_shape: Height, width and channels.

    Call arguments:
        llr: [batch, height, width, channels, 8], log p(1)/p(0), most significant bit
            first; 0 for erased and +-inf for verified bits.

    Returns logits like `llr`.
    """

    def __init__(self, network, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.image_shape = tuple(image_shape)
        self.log_prior = self.add_weight(
            (*self.image_shape, 256), "zeros", trainable=False, name="log_prior"
        )

    def build(self, input_shape):
        """Does nothing: all weights exist."""

    def call(self, llr):
        independent = bit_posteriors(llr, self.log_prior)
        level, planes = llr_planes(llr, independent)
        correction = self.network([planes, level])
        return independent + ops.reshape(correction, (-1, *self.image_shape, 8))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        config = {"network": network, "image_shape": self.image_shape}
        return super().get_config() | config

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})


def llr_planes(llr, independent):
    """Bounded features of LLRs and of the posterior logits of independent pixels.

    Returns the mean reliability `E[tanh(llr / 2)^2]`, [batch, 1], and the planes
    [batch, height, width, 24 channels]: soft bits `tanh(llr / 2)`, compressed
    `asinh(llr) / 2`, and soft bits of `independent`.
    """
    llr = ops.clip(llr, -CERTAIN, CERTAIN)
    soft = ops.tanh(llr / 2)
    level = ops.mean(soft**2, axis=(1, 2, 3, 4))[:, None]
    planes = soft, ops.arcsinh(llr) / 2, ops.tanh(independent / 2)
    _, height, width, channels, _ = llr.shape
    shape = (-1, height, width, 8 * channels)
    return level, ops.concatenate([ops.reshape(p, shape) for p in planes], axis=-1)
