"""A learned denoiser of symbols between equaliser and semantic decoder."""

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.symbol_denoiser import SymbolDenoiser
from link_sim.receivers.layer import ReceiverLayer
from link_sim.receivers.places import Places
from link_sim.receivers.semantic import check_count, check_steps

LAST = 1e-2
"""Step n of N begins at `LAST ** (n / N)` of the first noise, n = 0 to N - 1."""
MOST = 0.999
"""Error variance of a symbol of energy 1, at most."""


@keras.saving.register_keras_serializable(package="link_sim")
class SymbolDenoising(ReceiverLayer):
    """Symbols with less noise, by what is known of the symbols of images.

    The reverse process begins at the noise that the equaliser left, symbol by symbol:
    the idea of channel denoising diffusion models (Wu et al., "CDDM: Channel denoising
    diffusion models for wireless semantic communications", IEEE TWC 2024), here with
    one network for all noise levels and no schedule to fit. The `num_steps` steps down
    to none are the means of ancestral ones, without their noise. One is the MMSE
    estimate, and for Gaussian symbols any number of them ends there. A decoder that
    knows `no_eff` can lose by it, and gains at most what its own network missed: all
    that symbols say of each other is in what it is given without.

    Args:
        network: A `SymbolDenoiser`.
        image_shape: Height, width and channels of the images.
        num_steps: Evaluations, 1 to 200.

    Call arguments:
        x_hat: [batch, users, k], complex, unbiased estimates of symbols of energy 1.
        no_eff: The same shape, float, variances of their errors.

    Returns both again: estimates divided by their gain 1 - e, and e / (1 - e), where e
    is the error's variance after one step.
    """

    def __init__(self, network, image_shape, num_steps: int = 1, **kwargs):
        super().__init__(**kwargs)
        check_steps(num_steps)
        self.network, self.image_shape = network, tuple(image_shape)
        self.num_steps = num_steps
        self.places = Places(self.image_shape)
        self.per_place = network.config["per_place"]

    @classmethod
    def from_preset(cls, name: str, num_steps: int = 1, **kwargs):
        """With the shipped weights `name`, or those in an `.npz` file.

        Raises `ValueError` for weights of something else.
        """
        network = pretrained.load_model(name)
        if not isinstance(network, SymbolDenoiser):
            raise ValueError(
                f"'{name}' has no weights of a denoiser of symbols: use "
                "semantic-symbols-cifar10"
            )
        shape = pretrained.read_card(name)["image_shape"]
        return cls(network, shape, num_steps, **kwargs)

    def call(self, x_hat, no_eff):
        count = x_hat.shape[-1]
        check_count(count, self.per_place * self.places.number)
        no = ops.reshape(no_eff, (-1, count))
        x = ops.reshape(x_hat, (-1, count))
        left = np.append(LAST ** (np.arange(self.num_steps) / self.num_steps), 0.0)
        first = None
        for now, then in zip(left[:-1], left[1:], strict=True):
            mean, variance = self._estimate(x, no * now)
            first = variance if first is None else first
            share = ops.cast(then / now, "complex64")
            x = share * x + (1 - share) * mean
        error = ops.minimum(first, MOST)
        x = x / ops.cast(1 - error, "complex64")
        shape = (-1, x_hat.shape[1], count)
        return ops.reshape(x, shape), ops.reshape(error / (1 - error), shape)

    def _estimate(self, x, no):
        """MMSE estimates of symbols, and the variances of their errors."""
        weight = 1 / (1 + no)
        parts = ops.real(x) * weight, ops.imag(x) * weight, weight
        sent = self.places.first(x.shape[-1], self.per_place)
        maps = [self.places.map_of(part, sent, self.per_place) for part in parts]
        found = self.network([ops.concatenate(maps[:2], axis=-1), maps[2]])
        real, imag, variance = (
            self.places.symbols_of(part, sent) for part in ops.split(found, 3, axis=-1)
        )
        return ops.view_as_complex(ops.stack([real, imag], axis=-1)), variance

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "image_shape": self.image_shape,
            "num_steps": self.num_steps,
        }
