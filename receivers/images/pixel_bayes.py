"""Per-pixel Bayesian restoring: the classical baseline of every learned restorer."""

import keras
import numpy as np
from keras import ops

from link_sim.models.bit_planes import bit_posteriors
from link_sim.models.pretrained import load_arrays
from link_sim.receivers.images.bits import (
    bits_from_image,
    image_from_levels,
    image_llr,
    keep_certain,
)
from link_sim.receivers.layer import ReceiverLayer

SMOOTHING = 0.1
"""Added to the counts, so that no level is impossible."""

LEVELS = ops.convert_to_numpy(image_from_levels(np.arange(256)))


@keras.saving.register_keras_serializable("link_sim")
class PixelBayes(ReceiverLayer):
    """Posterior mean of each pixel, given soft bits and how often it has each level.

    With independent pixels, prior p(v) at each position, and bits b_i(v),

        image_hat = sum_v (v / 255) p(v | llr),
        p(v | llr) ~ p(v) exp(sum_i llr_i b_i(v))

    Parameters
    ----------
    preset : name of a shipped table, `counts` [height, width, channels, 256]: how often
        each pixel of the training images had each level

    Input
    -----
    llr : [batch, height, width, channels, 8], log p(1)/p(0), most significant bit
        first; +-inf marks a bit that is certain. Or an image, [batch, height, width,
        channels] in [0, 1]

    Output
    ------
    image_hat : [batch, height, width, channels], float in [0, 1]

    Raises `ValueError` if the image size is not the table's, or for NaN (when eager).
    """

    def __init__(self, preset="pixel-bayes-mnist", **kwargs):
        super().__init__(**kwargs)
        self.preset = preset
        log_prior = log_histograms(preset)
        self._shape = log_prior.shape[:-1]
        self._log_prior = log_prior.reshape(-1, 256)

    def call(self, llr):
        llr = image_llr(llr, self._shape)
        bits = bits_from_image(LEVELS)  # [256, 8]
        clipped = ops.clip(llr, -50.0, 50.0)
        clipped = ops.reshape(clipped, (-1, len(self._log_prior), 8))
        score = ops.matmul(clipped, ops.transpose(bits)) + self._log_prior
        image = ops.matmul(ops.softmax(score, axis=-1), LEVELS[:, None])
        return keep_certain(ops.reshape(image, (-1, *self._shape)), llr)

    def get_config(self):
        return {**super().get_config(), "preset": self.preset}


@keras.saving.register_keras_serializable("link_sim")
class HistogramSource:
    """Image bits with independent pixels: (llr) -> posterior logits.

    preset : name of a table of level counts; as in `PixelBayes`
    """

    def __init__(self, preset="pixel-bayes-mnist"):
        self.preset = preset
        self._log_prior = log_histograms(preset)

    def __call__(self, llr):
        return bit_posteriors(llr, self._log_prior)

    def get_config(self):
        return {"preset": self.preset}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def log_histograms(preset: str) -> np.ndarray:
    """log p(v) up to a constant: float32 [height, width, channels, 256].

    preset : name of a table of level counts, as in `PixelBayes`
    """
    return np.log(load_arrays(preset)["counts"].astype("float32") + SMOOTHING)
