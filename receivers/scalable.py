"""Semantic communication by convolutional networks: any image size, rate and SNR.

The same slots as `link_sim.receivers.semantic`, and its conventions.
"""

import functools

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.samplers import transport
from link_sim.models.scalable import (
    FlowNetwork,
    ScalableDecoder,
    ScalableEncoder,
    error_variance,
    expected_error,
    largest_ratio,
    levels_of,
    starting_noise,
)
from link_sim.receivers.layer import ReceiverLayer
from link_sim.receivers.places import Places
from link_sim.receivers.semantic import check_count, check_steps, normalise_power


@keras.saving.register_keras_serializable(package="link_sim")
class ScalableSymbolEncoder(ReceiverLayer):
    """Maps images of any size to channel symbols, the most important first.

    Args:
        network: A `ScalableEncoder`.
        image_shape: Height, width and channels.

    Call arguments:
        image: [batch, users, height, width, channels] in [0, 1].
        count: Symbols k per image; the first k are sent.
        no: Noise variance that the transmitter expects, 1 / SNR; scalar, or [users].
        shares: Of its numbers that each place sends, [height / 4, width / 4], NumPy,
            for all images; all alike if not given. They must come to `count`.

    Returns complex64 [batch, users, k]; each image has mean symbol energy 1. Raises
    `ValueError` for a `count` that the network does not allow.
    """

    def __init__(self, network, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.image_shape = tuple(image_shape)
        self.places = Places(self.image_shape)
        self.per_place = network.config["per_place"]
        self.max_symbols = self.per_place * self.places.number

    @classmethod
    def from_preset(cls, name: str, image_shape=None, **kwargs):
        """The encoder with the shipped weights `name`, or those in an `.npz` file.

        `image_shape` is that of its training where none is given. Raises `ValueError`
        for weights of something else.
        """
        network = _load(name, ScalableEncoder, "a scalable encoder")
        shape = image_shape or pretrained.read_card(name)["image_shape"]
        return cls(network, shape, **kwargs)

    def __call__(self, image, count: int, no=0.1, shares=None, **kwargs):
        check_count(count, self.max_symbols)
        return super().__call__(image, count=count, no=no, shares=shares, **kwargs)

    def call(self, image, count: int, no, shares):
        users = image.shape[1]
        image = 2 * ops.reshape(image, (-1, *self.image_shape)) - 1
        level = ops.ones((ops.shape(image)[0] // users, users)) / (1 + no)
        level = ops.reshape(level, (-1,))
        sent, shares = _sent(self, count, shares)
        z = self.network([self.places.pad(image), levels_of(level, shares)])
        real, imag = (
            self.places.symbols_of(part, sent) for part in ops.split(z, 2, axis=-1)
        )
        parts = normalise_power(ops.stack([real, imag], axis=-1), float(count))
        x = ops.view_as_complex(parts)
        return ops.reshape(x, (-1, users, count))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        config = {"network": network, "image_shape": self.image_shape}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="link_sim")
class FlowDecoder(ReceiverLayer):
    """Recovers images of any size from equalised symbols and their noise variances.

    The first evaluation is the MMSE estimate; the others carry it, with a little noise,
    along a flow to an image that looks like one: about the least error that a receiver
    with images of the true distribution can have (Ohayon, Michaeli and Elad,
    "Posterior-mean rectified flow", 2025).

    Args:
        network: A `ScalableDecoder`.
        image_shape: Height, width and channels.
        flow: A `FlowNetwork`; for `num_steps` above 1.
        num_steps: Evaluations of networks, 1 to 200.
        seed: Of the noise that is drawn where none is given.

    Call arguments:
        x_hat: [batch, users, k], complex, unbiased estimates of symbols of energy 1.
        no_eff: The same shape, float, variance of their errors per complex dimension.
        noise: Of the flow's start, from `draw_noise`; drawn from `seed` if not given.
        realism: How far to go from the MMSE estimate to the end of the flow, 0 to 1.
        shares: As the encoder was given.

    Returns images [batch, users, height, width, channels] in [0, 1]. Raises
    `ValueError` for more symbols than there can be, or other numbers of steps.

    Example:
        >>> decoder = FlowDecoder.from_preset("semantic-cdiff-cifar10", num_steps=4)
        >>> image_hat = decoder(x_hat, no_eff)
    """

    def __init__(
        self, network, image_shape, flow=None, num_steps: int = 1, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        check_steps(num_steps)
        if num_steps > 1 and flow is None:
            raise ValueError(f"num_steps = {num_steps} takes a flow: give it, or use 1")
        self.network, self.flow = network, flow
        self.image_shape = tuple(image_shape)
        self.places = Places(self.image_shape)
        self.per_place = network.config["per_place"]
        self.max_symbols = self.per_place * self.places.number
        self.num_steps, self.seed = num_steps, seed

    @classmethod
    def from_preset(cls, name: str, num_steps: int = 1, image_shape=None, **kwargs):
        """The decoder with the shipped weights `name`, or those in an `.npz` file.

        `image_shape` is that of its training where none is given. Raises `ValueError`
        for weights of something else.
        """
        card, flow = pretrained.read_card(name), None
        if "mean" in card:
            flow = _load(name, FlowNetwork, "a flow")
            path = pretrained.weights_path(name).with_name(f"{card['mean']}.npz")
            name = (
                str(path) if name.endswith(".npz") and path.is_file() else card["mean"]
            )
        network = _load(name, ScalableDecoder, "a scalable decoder")
        shape = image_shape or card["image_shape"]
        return cls(network, shape, flow, num_steps, **kwargs)

    def draw_noise(self, num_images, seed: int):
        """The noise that flows start with: [num_images, height, width, channels]."""
        return keras.random.normal((num_images, *self.image_shape), seed=seed)

    def __call__(self, x_hat, no_eff, noise=None, realism=1.0, shares=None, **kwargs):
        check_count(x_hat.shape[-1], self.max_symbols)
        kwargs |= {"noise": noise, "realism": realism, "shares": shares}
        return super().__call__(x_hat, no_eff, **kwargs)

    def call(self, x_hat, no_eff, noise, realism, shares):
        x, log_variance, levels, expected = self._estimate(x_hat, no_eff, shares)
        mean = x
        if self.num_steps > 1:
            count = ops.shape(levels)[0]
            noise = self.draw_noise(count, self.seed) if noise is None else noise
            variance = error_variance(log_variance, expected)
            scale = ops.sqrt(variance)[:, None, None, None]
            start = mean + starting_noise(scale) * self.places.pad(noise)
            levels = ops.mean(levels, axis=(1, 2))
            levels = ops.concatenate([levels, variance[:, None]], axis=-1)
            velocity = functools.partial(self._velocity, levels=levels, scale=scale)
            end = transport(velocity, start, self.num_steps - 1)
            x = mean + realism * (end - mean)
        height, width, _ = self.image_shape
        image = (ops.clip(x[:, :height, :width], -1, 1) + 1) / 2
        return ops.reshape(image, (-1, x_hat.shape[1], *self.image_shape))

    def uncertainty(self, x_hat, no_eff, shares=None):
        """Standard deviation of the error of the estimate of least error.

        x_hat, no_eff, shares : as they are called with. Returns [batch, users, height,
        width], root mean square over the channels of images in [0, 1].
        """
        _, log_variance, _, expected = self._estimate(x_hat, no_eff, shares)
        std = ops.sqrt(expected[:, None, None] * ops.exp(log_variance)) / 2
        height, width, _ = self.image_shape
        return ops.reshape(std[:, :height, :width], (-1, x_hat.shape[1], height, width))

    def observe(self, x_hat, no_eff, shares=None):
        """Features, weights and levels, as a `ScalableDecoder` takes them."""
        k = x_hat.shape[-1]
        weight = ops.reshape(1 / (1 + no_eff), (-1, k))
        x_hat = ops.reshape(x_hat, (-1, k))
        sent, shares = _sent(self, k, shares)
        maps = [
            self.places.map_of(part, sent, self.per_place)
            for part in (ops.real(x_hat) * weight, ops.imag(x_hat) * weight, weight)
        ]
        used = ops.sum(ops.cast(weight > 0, "float32"), axis=-1)
        mean = ops.sum(weight, axis=-1) / ops.maximum(used, 1)
        shares = shares * (used / k)[:, None, None]
        return (
            ops.concatenate(maps[:2], axis=-1),
            maps[2],
            levels_of(mean, shares),
        )

    def _estimate(self, x_hat, no_eff, shares):
        """What a `ScalableDecoder` finds, the levels, and what error they lead to."""
        features, weights, levels = self.observe(x_hat, no_eff, shares)
        found = self.network([features, weights, levels])
        largest = largest_ratio(self.per_place, self.image_shape[-1])
        return found[..., :-1], found[..., -1], levels, expected_error(levels, largest)

    def _velocity(self, x, time, levels, scale):
        time = ops.full((ops.shape(levels)[0], 1), time, "float32")
        return scale * self.flow([x, ops.concatenate([levels, time], axis=-1)])

    def compute_output_shape(self, x_hat_shape, no_eff_shape=None):
        return (*x_hat_shape[:2], *self.image_shape)

    def get_config(self):
        serialise = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "network": serialise(self.network),
            "image_shape": self.image_shape,
            "flow": self.flow and serialise(self.flow),
            "num_steps": self.num_steps,
            "seed": self.seed,
        }


def _sent(block, count: int, shares):
    """Which numbers of a map are sent, and the share of each place."""
    places, per_place = block.places, block.per_place
    if shares is None:
        shares = np.full(places.shape, count / block.max_symbols, "float32")
        sent = places.first(count, per_place)
    else:
        sent = places.some(shares, per_place)
    if len(sent) != count:
        raise ValueError(
            f"shares send {len(sent)} symbols, not {count}: give their sum"
        )
    return sent, ops.convert_to_tensor(shares[None], "float32")


def _load(name: str, kind: type, meaning: str):
    network = pretrained.load_model(name)
    if not isinstance(network, kind):
        raise ValueError(
            f"'{name}' has no weights of {meaning}, but of {type(network).__name__}: "
            "use weights that the recipe of this name made"
        )
    return network
