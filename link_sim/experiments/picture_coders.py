"""How a photograph becomes symbols and comes back: by a codec, or by a network."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops

from link_sim.models.cards import read_card
from link_sim.receivers.block_rates import BlockRates
from link_sim.receivers.entries import Entry
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.separation import SeparationScenario
from link_sim.world.picture_codec import compress, decompress
from link_sim.world.separation_blocks import BlockLink


class Networks(NamedTuple):
    """names : of the weights of encoder and decoder, by which they are told apart"""

    names: tuple
    encoder: Any
    decoder: FlowDecoder


def load_networks(scenario: SeparationScenario, name: str, entry: Entry, number):
    """The networks of a receiver; `ScenarioError` for weights of something else."""
    find = scenario.block_weights
    try:
        decoder = entry.make(number=number, find=find)
        card = read_card(find(entry.weights[0]))
        if not isinstance(decoder, FlowDecoder) or "encoder" not in card:
            raise ValueError("these are not weights of images of any size")
        sender = card["encoder"]
        encoder = ScalableSymbolEncoder.from_preset(scenario.weights_file(sender))
    except ValueError as error:
        raise ScenarioError(f"receiver '{name}': {error}") from None
    names = sender, card.get("mean", scenario.weights_name(entry.weights[0]))
    return Networks(names, encoder.network, decoder)


class PictureCoder(Protocol):
    """One image at a time, uint8 [height, width, 1 or 3], as `count` symbols."""

    def send(self, image: np.ndarray) -> np.ndarray | None:
        """Symbols, complex [count], or nothing where the image does not fit."""

    def receive(self, x_hat, no_eff, seed: int) -> np.ndarray | None:
        """The image as shown, or nothing where it is lost. seed : of what is drawn."""


class CodecCoder:
    """A file of an image codec over LDPC code blocks.

    codec : `jpeg`, `webp` or `bpg`. link : that carries the file.
    """

    def __init__(self, codec: str, link: BlockLink, shape: tuple):
        self.codec, self.link, self.shape = codec, link, shape

    def send(self, image):
        data = compress(self.codec, image, self.link.num_bytes)
        return None if data is None else self.link.send(data)

    def receive(self, x_hat, no_eff, seed):
        data, failed = self.link.receive(x_hat, no_eff)
        return None if failed else decompress(self.codec, data, self.shape)


class NetworkCoder:
    """Symbols of a network, more of them where that lowers the error most.

    Which block sends how many goes ahead, by LDPC code and QAM.

    rates, decoder : for images of three colours; grey ones are sent as such. no : noise
    variance that the transmitter expects. ahead : what carries the plan.
    """

    def __init__(
        self,
        rates: BlockRates,
        decoder: FlowDecoder,
        shape: tuple,
        count: int,
        no: float,
        ahead: BlockLink,
    ):
        self.rates, self.ahead = rates, ahead
        self.decoder, self.shape, self.count, self.no = decoder, shape, count, no
        least = ahead.count + rates.least
        if count < least:
            raise ScenarioError(
                f"an image of {shape[0]} x {shape[1]} pixels has {count} symbols, and "
                f"ae and cdiff take {least} at least: raise sweep.bandwidth_ratio, or "
                "use ae-even"
            )

    def send(self, image):
        image, most = _scaled(image), self.count - self.ahead.count
        plan = self.rates.choose(image, most, self.no)
        data = self.rates.pack(plan).ljust(self.ahead.num_bytes, b"\0")
        parts = self.ahead.send(data), self.rates.encode(image, plan, self.no)
        x = np.concatenate(parts)
        return np.pad(x, (0, self.count - len(x)))

    def receive(self, x_hat, no_eff, seed):
        first = self.ahead.count
        data, failed = self.ahead.receive(x_hat[:first], no_eff[:first])
        if failed:
            return None
        plan = self.rates.unpack(data)
        last = first + self.rates.symbols(plan.blocks)
        if last > len(x_hat):  # the CRC holds by chance, once in 2**16 times
            return None
        symbols = x_hat[first:last], no_eff[first:last]
        noise = _noise(self.decoder, seed)
        return _levels(
            self.rates.decode(self.decoder, *symbols, plan, noise), self.shape
        )


class EvenCoder:
    """Symbols of a network, all places alike; arguments as of `NetworkCoder`."""

    def __init__(
        self,
        encoder: ScalableSymbolEncoder,
        decoder: FlowDecoder,
        shape: tuple,
        count: int,
        no: float,
    ):
        self.encoder, self.decoder, self.shape = encoder, decoder, shape
        self.count, self.no = count, np.float32(no)
        if count > encoder.max_symbols:
            largest = int(1e4 * encoder.max_symbols / np.prod(shape)) / 1e4
            raise ScenarioError(
                f"an image of {shape[0]} x {shape[1]} pixels would take {count} "
                f"symbols, but the encoder has {encoder.max_symbols}: use bandwidth "
                f"ratios up to {largest}"
            )

    def send(self, image):
        x = self.encoder(_scaled(image)[None, None], self.count, self.no)
        return np.asarray(x)[0, 0]

    def receive(self, x_hat, no_eff, seed):
        symbols = (
            ops.convert_to_tensor(np.asarray(z, kind)[None, None])
            for z, kind in ((x_hat, "complex64"), (no_eff, "float32"))
        )
        found = np.asarray(self.decoder(*symbols, _noise(self.decoder, seed)))[0, 0]
        return _levels(found, self.shape)


def _noise(decoder: FlowDecoder, seed: int):
    return decoder.draw_noise(1, int(seed) % 2**31)


def _scaled(image: np.ndarray) -> np.ndarray:
    """float32 in [0, 1], three colours."""
    colours = np.broadcast_to(image, (*image.shape[:2], 3))
    return colours.astype("float32") / np.float32(255)


def _levels(image: np.ndarray, shape: tuple) -> np.ndarray:
    """The inverse of `_scaled`; the mean of the colours where there was one."""
    if shape[-1] == 1:
        image = image.mean(axis=-1, keepdims=True)
    return np.round(255 * image).astype(np.uint8)
