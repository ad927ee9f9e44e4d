"""Files of any length over a channel: LDPC code blocks, each with a CRC, and QAM."""

import math
from statistics import NormalDist

import numpy as np
import tensorflow as tf
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.scrambling import Descrambler, Scrambler
from sionna.phy.mapping import Mapper

from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.scenarios.base import ScenarioError
from link_sim.world.separation import CRC, CRC_BITS, Mcs, choose_mcs, ldpc

LONGEST_BLOCK = 8448
"""Bits of the longest code block of 5G LDPC, CRC included."""
LONGEST_SLOW_BLOCK = 3840
"""The same at code rates up to 1/3."""
SHORTEST_BLOCK = CRC_BITS + 8
"""Bits that carry a byte."""
FAILURES = 0.01
"""Of files, at the Es/N0 that the rate is chosen for."""


def rate_for(no_eff: np.ndarray, count: int) -> Mcs:
    """Modulation and code rate by which a file of `count` symbols hardly ever fails.

    no_eff : [draws, symbols] of the channel
    """
    blocks = max(1.0, 4 * count / LONGEST_BLOCK)
    return choose_mcs(no_eff, NormalDist().inv_cdf(1 - FAILURES / blocks))


def shortest_count(mcs: Mcs, num_bytes: int) -> int:
    """Symbols of the shortest `BlockLink` that carries so many bytes."""
    count = math.ceil(8 * num_bytes / mcs.efficiency)
    while True:
        blocks, _, k = _sizes(mcs, count)
        if k >= SHORTEST_BLOCK and (k - CRC_BITS) // 8 * blocks >= num_bytes:
            return count
        count += 1


def _sizes(mcs: Mcs, count: int) -> tuple[int, int, int]:
    """Blocks that `count` symbols hold, and the bits of each, coded and not."""
    longest = LONGEST_BLOCK if mcs.rate > 1 / 3 else LONGEST_SLOW_BLOCK
    blocks = math.ceil(count * mcs.efficiency / (longest - mcs.efficiency))
    n = count // blocks * mcs.bits_per_symbol
    return blocks, n, math.ceil(n * mcs.rate)


class BlockLink:
    """Bytes to symbols and back, in equal code blocks that fill `count` symbols.

    num_bytes: that are sent. Raises `ScenarioError` where not even one fits.
    """

    def __init__(self, mcs: Mcs, count: int):
        self.count = count
        self.blocks, n, k = _sizes(mcs, count)
        self.block_bytes = (k - CRC_BITS) // 8
        self.num_bytes = self.block_bytes * self.blocks
        if self.num_bytes < 1:
            raise ScenarioError(
                f"an image of {count} symbols carries no byte: raise "
                "sweep.bandwidth_ratio, or send larger images"
            )
        self._filler = k - CRC_BITS - 8 * self.block_bytes
        self._crc = CRCEncoder(CRC)
        self._check = CRCDecoder(self._crc)
        self._encode, self._decode = ldpc(k, n, mcs.bits_per_symbol)
        self._scramble = Scrambler(seed=2, keep_batch_constant=True)
        self._descramble = Descrambler(self._scramble, binary=False)
        self._map = Mapper("qam", mcs.bits_per_symbol)
        self._demap = QAMDemapper("app", mcs.bits_per_symbol)

    def send(self, data: bytes) -> np.ndarray:
        """`num_bytes` bytes as symbols of energy 1, complex [count]; the rest is 0."""
        bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(self.blocks, -1), 1)
        bits = np.pad(bits, [(0, 0), (0, self._filler)])
        b = self._crc(tf.constant(bits, tf.float32))
        x = np.ravel(self._map(self._scramble(self._encode(b))))
        return np.pad(x, (0, self.count - x.size))

    def receive(self, x_hat: np.ndarray, no_eff: np.ndarray) -> tuple[bytes, bool]:
        """The bytes, and whether a block of them was not decoded."""
        used = self.count // self.blocks * self.blocks
        x, no = (z[:used].reshape(self.blocks, -1) for z in (x_hat, no_eff))
        llr = self._demap(tf.constant(x, tf.complex64), tf.constant(no, tf.float32))
        b_hat = tf.cast(self._decode(self._descramble(llr)) > 0, tf.float32)
        bits, correct = self._check(b_hat)
        bits = bits.numpy().astype(np.uint8)[:, : 8 * self.block_bytes]
        return np.packbits(bits, axis=1).tobytes(), not correct.numpy().all()
