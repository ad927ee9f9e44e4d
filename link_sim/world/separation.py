"""Source and channel coding apart: JPEG or WebP, 5G LDPC and QAM for one image."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.fec.scrambling import Descrambler, Scrambler
from sionna.phy.mapping import Mapper

from link_sim.receivers.decoding.ldpc import LDPCDecoder
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.images.bits import image_from_levels
from link_sim.scenarios.base import ScenarioError
from link_sim.world.picture_codec import compress, decompress

CRC, CRC_BITS = "CRC16", 16
ITERATIONS = 40
FALLBACK = {"mnist": (33,), "cifar10": (125, 123, 114)}
"""Mean colour of the training images, shown for an image that is not decoded."""
OUTAGE = 0.1
"""Share of frames that may be beyond the chosen modulation and code rate."""
TARGET = 2.33
"""Standard deviations kept from the capacity of a block: one failure in a hundred."""
LOSS_DB = 0.5
"""What belief propagation loses against the best code of that length."""
SNRS_DB = np.arange(-12.0, 41.0)


class Mcs(NamedTuple):
    """A modulation and code rate."""

    bits_per_symbol: int
    rate: float

    @property
    def efficiency(self) -> float:
        """Information bits, CRC included, per channel use."""
        return self.bits_per_symbol * self.rate


MCS_TABLE = [
    Mcs(2, 0.2),
    *(Mcs(2, r / 1024) for r in (308, 449, 602)),
    *(Mcs(4, r / 1024) for r in (378, 434, 490, 553, 616, 658)),
    *(Mcs(6, r / 1024) for r in (466, 517, 567, 616, 666, 719, 772, 822, 873)),
    *(Mcs(8, r / 1024) for r in (682.5, 711, 754, 797, 841, 885, 916.5, 948)),
]
"""3GPP TS 38.214, table 5.1.3.1-2, from the lowest rate of the code, 1/5, on."""


@lru_cache
def mutual_information(bits_per_symbol: int) -> np.ndarray:
    """Bits per QAM symbol that its LLRs tell, at `SNRS_DB`, over AWGN.

    The sum over bits of 1 - E log2(1 + exp(-(2 b - 1) llr)), from 10,000 symbols.
    """
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (10_000, bits_per_symbol)).astype("float32")
    noise = rng.standard_normal((2, len(bits))).astype("float32") * np.sqrt(0.5)
    x = Mapper("qam", bits_per_symbol)(tf.constant(bits))[:, 0]
    demapper, told = QAMDemapper("app", bits_per_symbol), []
    for no in 10 ** (-SNRS_DB / 10):
        y = x + np.sqrt(no).astype("float32") * (noise[0] + 1j * noise[1])
        llr = np.reshape(demapper(y[:, None], np.float32(no)), bits.shape)
        lost = np.logaddexp(0, -(2 * bits - 1) * llr) / np.log(2)
        told.append(bits_per_symbol - lost.sum(axis=1).mean())
    return np.array(told)


def legal_efficiency(
    no_eff: np.ndarray, bits_per_symbol: int, target: float = TARGET
) -> np.ndarray:
    """Bits per channel use that a block of symbols can carry, [blocks].

    Mutual information of the bits less what the length of the block costs, by the
    normal approximation with the dispersion of the complex AWGN channel (Polyanskiy,
    Poor and Verdu 2010, eq. 293), and `LOSS_DB`.

    no_eff : [blocks, symbols], of symbols of energy 1
    target : standard deviations kept from the capacity of a block
    """
    snr_db = -10 * np.log10(no_eff.astype("float64")) - LOSS_DB
    information = np.interp(snr_db, SNRS_DB, mutual_information(bits_per_symbol))
    dispersion = 1 - 1 / (1 + 10 ** (snr_db / 10)) ** 2
    spread = np.sqrt(dispersion.sum(axis=1)) / no_eff.shape[1]
    return information.mean(axis=1) - target * spread / math.log(2)


def choose_mcs(no_eff: np.ndarray, target: float = TARGET) -> Mcs:
    """The most efficient modulation and code rate that the channel carries.

    no_eff : [blocks, symbols], drawn from the channel; at most `OUTAGE` of the blocks
        may not carry it. If they carry none it is the lowest.
    target : see `legal_efficiency`
    """
    legal = {m: legal_efficiency(no_eff, m, target) for m in (2, 4, 6, 8)}
    carried = [
        mcs
        for mcs in MCS_TABLE
        if np.mean(legal[mcs.bits_per_symbol] < mcs.efficiency) <= OUTAGE
    ]
    return max(carried, key=lambda mcs: mcs.efficiency, default=MCS_TABLE[0])


@lru_cache(maxsize=32)
def ldpc(k: int, n: int, bits_per_symbol: int):
    """Encoder and decoder of a code, compiled once for all that use it."""
    encoder = LDPC5GEncoder(k, n, bits_per_symbol)
    return encoder, LDPCDecoder(encoder, ITERATIONS)


class Separation:
    """Sends each image as one compressed file in one code block, and recovers it.

    With several users, user u sends in the places u, u + users, ... alone, with the
    energy of all: orthogonal access, which for one receive antenna is the best that
    separate codes can do at equal rates.

    Parameters
    ----------
    codec : `jpeg` or `webp`
    mcs : Mcs
    count : channel uses of an image
    users : number of users
    fallback : colour, in 0 to 255, of an image that is not decoded

    Raises `ScenarioError` for code blocks that 5G LDPC does not have.
    """

    def __init__(self, codec: str, mcs: Mcs, count: int, users: int, fallback: tuple):
        self.codec, self.users, self.fallback = codec, users, fallback
        self.count = count
        n = count // users * mcs.bits_per_symbol
        k = math.ceil(n * mcs.rate)
        self.num_bytes = max(0, (k - CRC_BITS) // 8)
        self.k = self.num_bytes * 8 + CRC_BITS
        if self.k < n / 5:  # the lowest rate of the code: fill up with zeros
            self.k = math.ceil(n / 5)
        if not self.num_bytes:
            return
        self._crc = CRCEncoder(CRC)
        self._check = CRCDecoder(self._crc)
        try:
            self._encode, self._decode = ldpc(self.k, n, mcs.bits_per_symbol)
        except ValueError:
            raise ScenarioError(
                f"an image of {count} symbols would take a code block of {self.k} bits "
                f"for '{codec}', but 5G LDPC has none so long: lower the bandwidth "
                "ratio or the Es/N0 of sweep"
            ) from None
        self._scramble = Scrambler(seed=2, keep_batch_constant=True)
        self._descramble = Descrambler(self._scramble, binary=False)
        self._map = Mapper("qam", mcs.bits_per_symbol)
        self._demap = QAMDemapper("app", mcs.bits_per_symbol)

    def send(self, image: np.ndarray):
        """Symbols of 8-bit images: [frames, users, ...] -> complex [frames, users, k].

        An image of which not even the mean colour fits sends nothing.
        """
        frames = image.shape[0]
        flat = image.reshape(-1, *image.shape[2:])
        if self.num_bytes <= image.shape[-1]:
            return tf.zeros([frames, self.users, self.count], tf.complex64)
        files = [compress(self.codec, x, self.num_bytes) for x in flat]
        data = np.frombuffer(b"".join(files), np.uint8).reshape(len(flat), -1)
        bits = np.unpackbits(data, axis=1)
        bits = np.pad(bits, [(0, 0), (0, self.k - CRC_BITS - bits.shape[1])])
        b = self._crc(tf.constant(bits, tf.float32))
        x = self._map(self._scramble(self._encode(b)))
        x = tf.reshape(x, [frames, self.users, -1, 1]) * math.sqrt(self.users)
        own = tf.eye(self.users, dtype=tf.complex64)[None, :, None]
        return tf.reshape(x * own, [frames, self.users, self.count])

    def receive(self, x_hat, no_eff, shape: tuple[int, int, int]):
        """Images in [0, 1], and which were not decoded, [frames, users].

        x_hat, no_eff : [frames, users, k], each user equalised as if it were alone
        """
        frames, colour = x_hat.shape[0], np.array(self.fallback, np.uint8)
        image = np.broadcast_to(colour, (frames * self.users, *shape)).copy()
        lost = np.ones(len(image), bool)
        if self.num_bytes > shape[-1]:
            bits, lost = self._bits(x_hat, no_eff)
            data = np.packbits(bits[:, : 8 * self.num_bytes], axis=1)
            for i in np.flatnonzero(~lost):
                picture = decompress(self.codec, data[i].tobytes(), shape)
                if picture is None:  # the CRC holds by chance, once in 2**16 times
                    lost[i] = True
                else:
                    image[i] = picture
        image = image.reshape(frames, self.users, *shape)
        image = np.asarray(image_from_levels(image))
        return image, lost.reshape(frames, self.users)

    def _bits(self, x_hat, no_eff):
        grouped = [-1, self.users, self.count // self.users, self.users]
        own = [tf.reshape(z, grouped) for z in (x_hat, no_eff)]
        own = [tf.stack([z[:, u, :, u] for u in range(self.users)], 1) for z in own]
        x, no = (tf.reshape(z, [-1, z.shape[-1]]) for z in own)
        llr = self._demap(x / math.sqrt(self.users), no / self.users)
        b_hat = tf.cast(self._decode(self._descramble(llr)) > 0, tf.float32)
        bits, correct = self._check(b_hat)
        return bits.numpy().astype(np.uint8), ~correct.numpy()[:, 0]
