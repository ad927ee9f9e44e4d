"""How many symbols each block of a photograph sends, so that the whole errs least."""

import hashlib
from typing import NamedTuple

import numpy as np
from keras import ops

from link_sim.models.scalable import BLOCK, FOLD
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder

RATES = 0.5, 1, 2, 4, 6, 8, 12, 16
"""Complex numbers of a place that a block may send."""
GAINS_DB = 0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0, 10.5
"""By which symbols of energy 1 may be stronger than those that networks know."""
BITS = 3
"""That say which of them."""


class Plan(NamedTuple):
    """gain : index of `GAINS_DB`; blocks : of `RATES`, [blocks down, across]"""

    gain: int
    blocks: np.ndarray


class Trials(NamedTuple):
    """gain : the best at the highest rate; errors : [rates, blocks down, across]"""

    gain: int
    errors: np.ndarray


class BlockRates:
    """Rates of the blocks of one image, 16 x 16 pixels each, and a gain.

    The transmitter knows the receiver: it tries each of `RATES` for the whole image,
    with noise of its own, and gives each block the rate at which the Lagrangian
    error + lambda * symbols is least (Shoham and Gersho, "Efficient bit allocation for
    an arbitrary set of quantizers", 1988), with lambda such that the symbols suffice.
    Small images of training have details everywhere; in photographs, which have them in
    places, all other places would come too loud at equal energy. So symbols are
    weaker by a gain before the decoder, which gains as much SNR.

    Args:
        encoder: A `ScalableSymbolEncoder`.
        decoder: A `FlowDecoder` of one step for the same images.
    """

    def __init__(self, encoder: ScalableSymbolEncoder, decoder: FlowDecoder):
        self.encoder, self.decoder = encoder, decoder
        self._tried: dict[tuple, Trials] = {}  # they serve any number of symbols
        self.places, self.per_place = encoder.places, encoder.per_place
        rows, columns = self.places.shape
        self.shape = -(-rows // BLOCK), -(-columns // BLOCK)
        self.least = self.symbols(np.zeros(self.shape, int))
        self.num_bytes = -(-BITS * (1 + self.shape[0] * self.shape[1]) // 8)

    def choose(self, image: np.ndarray, count: int, no: float) -> Plan:
        """The plan for an image.

        image : [height, width, channels] in [0, 1]. count : symbols at most. no : noise
        variance of a symbol. Raises `ValueError` for fewer symbols than `least`.
        """
        key = hashlib.sha256(image.tobytes()).digest(), no
        if key not in self._tried:
            self._tried[key] = self._try(image, no)
        blocks = self._allocate(self._tried[key].errors, count)
        first = self._tried[key].gain
        return Plan(self._climb(image, no, blocks, first)[0], blocks)

    def encode(self, image: np.ndarray, plan: Plan, no: float) -> np.ndarray:
        """Symbols of energy 1, complex [k]; arguments as of `choose`."""
        shares, gain = self.shares(plan.blocks), _gain(plan)
        count = self.symbols(plan.blocks)
        level = np.float32(no / gain**2)
        return np.asarray(self.encoder(image[None, None], count, level, shares))[0, 0]

    def decode(self, decoder: FlowDecoder, x_hat, no_eff, plan: Plan, noise=None):
        """[height, width, channels] in [0, 1], of equalised symbols [k]."""
        shares, gain = self.shares(plan.blocks), _gain(plan)
        x_hat = ops.convert_to_tensor((x_hat / gain).astype("complex64")[None, None])
        no_eff = (no_eff / gain**2).astype("float32")[None, None]
        return np.asarray(decoder(x_hat, no_eff, noise, shares=shares))[0, 0]

    def symbols(self, blocks: np.ndarray) -> int:
        """That blocks send."""
        return len(self.places.some(self.shares(blocks), self.per_place))

    def shares(self, blocks: np.ndarray) -> np.ndarray:
        """Of its numbers that each place sends, [height / 4, width / 4], float32."""
        rates = np.array(RATES, "float32")[blocks] / self.per_place
        rows, columns = self.places.shape
        return np.repeat(np.repeat(rates, BLOCK, 0), BLOCK, 1)[:rows, :columns]

    def pack(self, plan: Plan) -> bytes:
        """A plan as `num_bytes` bytes."""
        numbers = np.append(plan.gain, plan.blocks)
        bits = numbers[:, None] >> np.arange(BITS) & 1
        return np.packbits(np.ravel(bits).astype(np.uint8)).tobytes()

    def unpack(self, data: bytes) -> Plan:
        """The inverse of `pack`."""
        number = 1 + self.shape[0] * self.shape[1]
        bits = np.unpackbits(np.frombuffer(data, np.uint8))[: BITS * number]
        numbers = (bits.reshape(number, BITS) << np.arange(BITS)).sum(axis=1)
        return Plan(int(numbers[0]), numbers[1:].reshape(self.shape))

    def _try(self, image: np.ndarray, no: float) -> Trials:
        gain, errors = 0, []
        for rate in range(len(RATES)):
            even = np.full(self.shape, rate)
            gain, error = self._climb(image, no, even, gain)
            errors.append(error)
        return Trials(gain, np.array(errors))

    def _climb(self, image, no: float, blocks, first: int):
        """The gain of least error, from `first` on up or down, and errors of blocks."""
        best = first, self._errors(image, no, Plan(first, blocks))
        for step in (1, -1):
            gain = first + step
            while 0 <= gain < len(GAINS_DB):
                errors = self._errors(image, no, Plan(gain, blocks))
                if errors.sum() >= best[1].sum():
                    break
                best, gain = (gain, errors), gain + step
            if best[0] != first:
                break
        return best

    def _allocate(self, errors: np.ndarray, count: int) -> np.ndarray:
        """Rates of blocks, of which errors [rates, down, across] are known."""
        symbols = np.array(RATES).reshape(-1, 1, 1) * self._sizes()

        def at(price):
            return np.argmin(errors + price * symbols, axis=0)

        low, high = 1e-9, 1e6
        if self.least > count:
            raise ValueError(
                f"{count} symbols are too few for {errors[0].size} blocks, which take "
                f"{self.least} at least"
            )
        if self.symbols(at(low)) <= count:
            return at(low)
        for _ in range(50):
            middle = np.sqrt(low * high)
            if self.symbols(at(middle)) > count:
                low = middle
            else:
                high = middle
        return at(high)

    def _sizes(self):
        """Places of each block, [blocks down, blocks across]."""
        sides = (
            np.minimum(BLOCK, length - BLOCK * np.arange(blocks))
            for length, blocks in zip(self.places.shape, self.shape, strict=True)
        )
        return np.outer(*sides)

    def _errors(self, image: np.ndarray, no: float, plan: Plan) -> np.ndarray:
        """Squared errors of blocks, [blocks down, blocks across]."""
        x = self.encode(image, plan, no)
        rng, side = np.random.default_rng(0), BLOCK * FOLD
        x_hat = x + rng.standard_normal((len(x), 2)) @ [1, 1j] * np.sqrt(no / 2)
        image_hat = self.decode(self.decoder, x_hat, np.full(len(x), no), plan)
        margins = [
            (0, side * blocks - length)
            for blocks, length in zip(self.shape, image.shape[:2], strict=True)
        ]
        error = np.pad(((image_hat - image) ** 2).sum(axis=-1), margins)
        error = error.reshape(self.shape[0], side, self.shape[1], side)
        return error.sum(axis=(1, 3))


def _gain(plan: Plan) -> float:
    return 10 ** (GAINS_DB[plan.gain] / 20)
