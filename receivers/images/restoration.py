"""Restoring an image from the soft or hard bits that a channel decoder leaves."""

import functools

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.conditional_chain import ConditionalChain, sample_chain
from link_sim.models.pixel_denoiser import BIT_WEIGHTS
from link_sim.receivers.images.bits import image_llr, keep_certain
from link_sim.receivers.images.error_rate import hard_llr
from link_sim.receivers.images.pixel_bayes import log_histograms
from link_sim.receivers.layer import ReceiverLayer
from link_sim.receivers.requests import draw_images_of_noise


def condition_planes(soft_bits):
    """What a restoring network is told about an image, and its mean alone.

    Args:
        soft_bits: E[2 b - 1] of each bit, `tanh(llr / 2)`, or -1 and 1 for hard
            bits: [batch, height, width, channels, 8].

    Returns the posterior pixel mean y under uniform bits, scaled to [-1, 1],
    [batch, height, width, channels], and the condition
    [batch, height, width, 10 channels]: soft bits, mean, standard deviation.
    """
    y = ops.sum(soft_bits * BIT_WEIGHTS, axis=-1)
    std = ops.sqrt(ops.sum((1 - soft_bits**2) * BIT_WEIGHTS**2, axis=-1))
    batch, height, width = ops.shape(soft_bits)[:3]
    planes = ops.reshape(soft_bits, (batch, height, width, 8 * soft_bits.shape[3]))
    return y, ops.concatenate([planes, y, std], axis=-1)


@keras.saving.register_keras_serializable(package="link_sim")
class ConditionalDDPM(ReceiverLayer):
    """Restores images by a conditional diffusion that starts at the decoded image.

    One network serves any number of steps: one gives the MMSE estimate, more trade
    distortion for realism, and 200 with `eta = 1` are the receiver of Letafati, Ali
    and Latva-aho ("Conditional denoising diffusion probabilistic models for data
    reconstruction enhancement in wireless communications", 2024). The process is
    that of `link_sim.models.conditional_chain`.

    Args:
        denoiser: `denoiser(x, sigma, condition)` on images scaled to [-1, 1].
        image_shape: Height, width and channels that the denoiser was trained for.
        soft: Whether to believe the LLRs. If not, or for images, the restorer finds out
            the rate of wrong bits by itself (`link_sim.receivers.images.error_rate`).
        histograms: Name of the table of pixel levels for that, as in `PixelBayes`;
            without one the rate is taken to be 0.2.
        num_steps: Evaluations of the network, 1 to 200.
        eta: 0 for deterministic steps, 1 for ancestral sampling.
        seed: Of the noise that is drawn where none is given.

    Call arguments:
        inputs: Either LLRs of the image bits, log p(1)/p(0), MSB first, [batch,
            height, width, channels, 8], where +-inf marks verified bits, which are
            kept as they are; or hard images [batch, height, width, channels] in
            [0, 1].
        noise: Of the sampler, from `draw_noise`; drawn from `seed` if not given, the
            same in every call. Any rows of it go with the same rows of the inputs.

    Returns images [batch, height, width, channels] in [0, 1]. Raises `ValueError`
    for a wrong image size and, outside graphs, for LLRs that are not numbers.

    Example:
        >>> restorer = ConditionalDDPM.from_preset("ddpm", num_steps=1)
        >>> image_hat = restorer(llr)
    """

    def __init__(
        self,
        denoiser,
        image_shape,
        soft=True,
        histograms=None,
        num_steps=1,
        eta=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.denoiser = denoiser
        self.image_shape = tuple(image_shape)
        self.soft = soft
        self.histograms = histograms
        self._log_prior = (
            log_histograms(histograms)
            if histograms
            else np.zeros((*self.image_shape, 256), "float32")
        )
        self.num_steps = num_steps
        self.eta = eta
        self.seed = seed
        self.chain = ConditionalChain()
        self.chain.levels(num_steps)  # refuses impossible numbers

    @classmethod
    def from_preset(cls, name: str, num_steps: int = 1, **kwargs):
        """The restorer with the shipped weights `name`, or those in an `.npz` file."""
        denoiser = pretrained.load_model(name)
        options = pretrained.read_card(name)["restorer"] | kwargs
        return cls(denoiser, **options, num_steps=num_steps)

    @property
    def num_draws(self) -> int:
        """Standard normal images that restoring one image takes."""
        if self.num_steps == 1:
            return 0
        return self.num_steps if self.eta else 1

    def draw_noise(self, num_images, seed: int):
        """The sampler's noise: [num_images, num_draws, height, width, channels].

        Draws of a sampler that takes more begin with those of one that takes fewer.
        """
        return draw_images_of_noise(num_images, self.num_draws, self.image_shape, seed)

    def __call__(self, inputs, **kwargs):
        if isinstance(inputs, np.ndarray):
            inputs = ops.convert_to_tensor(inputs)
        image_llr(inputs, self.image_shape)  # Keras would wrap errors in `call`
        return super().__call__(inputs, **kwargs)

    def call(self, inputs, noise=None):
        llr = image_llr(inputs, self.image_shape)
        believed = self.soft and len(inputs.shape) == 5
        known = llr if believed else hard_llr(llr, self._log_prior)
        y, condition = condition_planes(ops.tanh(known / 2))
        denoiser = functools.partial(self.denoiser, condition=condition)
        if self.num_draws and noise is None:
            noise = self.draw_noise(ops.shape(y)[0], self.seed)
        if self.num_draws:
            noise = ops.moveaxis(noise[:, : self.num_draws], 1, 0)
        x = sample_chain(denoiser, y, noise, self.chain, self.num_steps, self.eta)
        return keep_certain((ops.clip(x, -1, 1) + 1) / 2, llr)

    def samples(self, inputs, num_samples: int):
        """Several restored images of each input: [num_samples, batch, ...].

        With more than one step these are draws from (about) the posterior: their
        mean is a better estimate, their variance says how uncertain each pixel is.
        """
        count = ops.shape(inputs)[0]
        seeds = range(self.seed, self.seed + num_samples)
        return ops.stack([self(inputs, noise=self.draw_noise(count, s)) for s in seeds])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "image_shape": self.image_shape,
            "soft": self.soft,
            "histograms": self.histograms,
            "num_steps": self.num_steps,
            "eta": self.eta,
            "seed": self.seed,
        }
