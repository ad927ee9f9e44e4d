"""The transmitter: images to a resource grid, and the way back from LLRs to images."""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.interleaving import Deinterleaver, RandomInterleaver
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.fec.scrambling import Descrambler, Scrambler
from sionna.phy.mapping import Mapper
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import ResourceGridMapper

from link_sim.receivers.images.bits import bits_from_image
from link_sim.receivers.superimposed import SuperimposedPilots
from link_sim.scenarios import channel_file
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.loading import parse_scenario
from link_sim.scenarios.sections import Code
from link_sim.world.hardware.impairments import Impairments
from link_sim.world.resource_grid import resource_grid, sounding_grid

CRC = "CRC24A"
CRC_BITS = 24
LOWEST_RATE = 5
"""Coded bits for an information bit, at most (3GPP TS 38.212, section 5.3.2)."""


def segment(num_bits: int, code: Code) -> tuple[int, int, int]:
    """Number of LDPC blocks for `num_bits`; information bits and bits sent of each.

    5G NR base graph 1 takes up to 8,448 information bits and rates from 1/3, base
    graph 2 up to 3,840 bits and rates from 1/5 (3GPP TS 38.212, section 5.2.2).
    The information bits include the CRC. The coded bits are a multiple of the bits per
    symbol, at most one symbol off the nominal rate.
    """
    largest = 8448 if code.rate >= 1 / 3 else 3840
    num_blocks = math.ceil(num_bits / (largest - CRC_BITS))
    k = math.ceil(num_bits / num_blocks) + CRC_BITS
    n = int(k / code.rate / code.bits_per_symbol) * code.bits_per_symbol
    if k / n > 948 / 1024:  # the highest rate of 5G NR
        n += code.bits_per_symbol
    return num_blocks, k, n


@keras.saving.register_keras_serializable("link_sim")
class Transmitter:
    """Maps 8-bit images to OFDM resource grids with pilots.

    The bits of an image are interleaved, each image of a batch in its own way (so that
    the 2Z bits which 5G LDPC punctures fall on other pixels each time), cut into blocks
    with a CRC, LDPC-encoded, scrambled (image bits are far from equiprobable), mapped
    to QAM and dealt out to the streams symbol by symbol. A frame is the smallest unit
    of whole images and whole grids; what the codewords leave free of it is filled with
    scrambled zeros. Several users are streams of one grid, each user's in a row: the
    images of a frame are as many of each user, one user after the other.

    Parameters
    ----------
    scenario : the scenario whose code, grid and antennas are used
    image_shape : (height, width, channels)
    covariances : function that returns the arguments of `LMMSEChannelEstimator` after
        the grid, for the estimator that needs them
    constellation : a `TrainableConstellation` in place of QAM
    pilots : a `TrainablePilots` in place of those of the scenario

    Input
    -----
    image : [batch, images_per_frame, height, width, channels], float in [0, 1]

    Output
    ------
    b : [batch, images_per_frame, blocks_per_image, k], information bits with CRC
    c : [batch * images_per_frame * blocks_per_image, n], codewords
    x_rg : [batch * grids_per_frame, 1, all streams, symbols, fft_size], complex

    Bits are interleaved and scrambled in another way in each frame of a batch. Where a
    batch is received in parts, the argument `frame` of the way back is the number of
    the first frame, an integer or a scalar tensor.
    """

    def __init__(
        self,
        scenario: LinkScenario,
        image_shape: tuple[int, int, int],
        covariances: Callable | None = None,
        constellation=None,
        pilots=None,
    ):
        if config.precision != "single":
            raise ValueError(
                "the transmitter computes in single precision: set "
                "sionna.phy.config.precision = 'single'"
            )
        self._scenario, self._covariances = scenario, covariances
        grid, code = scenario.grid, scenario.code
        self.image_shape = tuple(image_shape)
        self.num_bits_per_symbol = code.bits_per_symbol
        self.num_iter = code.iterations
        self.polarisations = scenario.antennas.polarisations
        self.doppler = channel_file.doppler(scenario)
        self.excess_delay = channel_file.excess_delay(scenario)
        self._parity_first = code.reliable_bits == "parity"
        self.users = self.spectra = scenario.antennas.users
        self._downlink = scenario.direction == "downlink"
        self.coloured = scenario.antennas.receive if scenario.channel.others else 0
        self._streams = scenario.antennas.streams
        streams = self.users * self._streams
        self.resource_grid = resource_grid(grid, streams, pilots)
        self.sounding_grid = sounding_grid(grid, streams, pilots)
        self.pilots = pilots
        self.stream_management = StreamManagement(
            np.ones([1, 1], int), self.users * self._streams
        )
        self.image_bits = math.prod(image_shape) * 8
        self.blocks_per_image, self.k, self._sent = segment(self.image_bits, code)
        bits = code.bits_per_symbol
        self.n = min(self._sent, LOWEST_RATE * self.k // bits * bits)
        self._fill_frame()

        self.encoder = LDPC5GEncoder(self.k, self.n, self.num_bits_per_symbol)
        self._encode = tf.function(self.encoder, autograph=False, jit_compile=True)
        self._crc_encoder = CRCEncoder(CRC)
        self._crc_decoder = CRCDecoder(CRCEncoder(CRC))
        zeros = tf.zeros([1, self.k - CRC_BITS])
        self._crc_decoder(self._crc_encoder(zeros))  # built outside all graphs
        interleaver = RandomInterleaver(seed=1, keep_batch_constant=False)
        self._interleaver = tf.function(interleaver)
        self._deinterleaver = tf.function(Deinterleaver(interleaver))
        self._scrambler = Scrambler(seed=2, keep_batch_constant=False)
        self._descrambler = Descrambler(self._scrambler, binary=False)
        self.constellation = constellation
        self._mapper = constellation or Mapper("qam", self.num_bits_per_symbol)
        self._rg_mapper = ResourceGridMapper(self.resource_grid)
        self.superimposed = None
        if grid.pilot_share:
            self.superimposed = SuperimposedPilots(self.resource_grid, grid.pilot_share)
        self.hardware = None
        if scenario.hardware is not None:
            points = np.asarray(self.points())
            self.hardware = Impairments(scenario.hardware, grid, points)

    def get_config(self):
        return {
            "scenario": self._scenario.to_toml(),
            "image_shape": list(self.image_shape),
            "constellation": keras.saving.serialize_keras_object(self.constellation),
            "pilots": keras.saving.serialize_keras_object(self.pilots),
        }

    @classmethod
    def from_config(cls, settings):
        names = "constellation", "pilots"
        read = keras.saving.deserialize_keras_object
        learned = {name: read(settings.get(name)) for name in names}
        scenario = parse_scenario(settings["scenario"])
        return cls(scenario, settings["image_shape"], **learned)

    def points(self):
        """Symbols by their labels, [2**num_bits_per_symbol], complex."""
        if self.constellation is None:
            return self._mapper.constellation()
        return self.constellation.points

    def _fill_frame(self):
        """Chooses how many images share a frame and how many grids it takes.

        `frame_bits` and `effective_rate` are those of a user.
        """
        capacity = int(self.resource_grid.num_data_symbols) * self._streams
        capacity *= self.num_bits_per_symbol
        image = self.blocks_per_image * self._sent
        images = max(1, self._scenario.grid.per_frame * capacity // image)
        self.images_per_frame = self.users * images
        self.grids_per_frame = math.ceil(images * image / capacity)
        self.frame_bits = self.grids_per_frame * capacity
        self._used_bits = images * image
        self.effective_rate = images * self.image_bits / self.frame_bits

    def covariances(self):
        """Arguments of `LMMSEChannelEstimator` after the grid.

        Raises `ValueError` if the transmitter was not told how to find them.
        """
        if self._covariances is None:
            raise ValueError(
                "lmmse needs covariances of the channel: give the transmitter a "
                "function `covariances`"
            )
        return self._covariances()

    def __call__(self, image):
        b = self.to_blocks(self.to_bits(image))
        c = self._encode(tf.reshape(b, [-1, self.k]))
        return b, c, self.modulate(c)

    def to_bits(self, image):
        """Bits of 8-bit images, most significant first.

        image : [..., height, width, channels] -> [..., height * width * channels * 8]
        """
        shape = tf.concat([tf.shape(image)[:-3], [self.image_bits]], 0)
        return tf.reshape(bits_from_image(image), shape)

    def to_blocks(self, bits):
        """Interleaved blocks with CRC: [..., image_bits] -> [..., blocks, k]."""
        bits = self._permute(self._interleaver, bits)
        size = self.k - CRC_BITS
        padding = self.blocks_per_image * size - self.image_bits
        bits = tf.pad(bits, [[0, 0]] * (bits.shape.rank - 1) + [[0, padding]])
        shape = tf.concat([tf.shape(bits)[:-1], [self.blocks_per_image, size]], 0)
        return self._crc_encoder(tf.reshape(bits, shape))

    def modulate(self, c):
        """Resource grids of codewords: [batch * blocks, n] -> [batch * grids, ...]."""
        c = self._symbol_order(self._repeat(c))
        c = tf.reshape(c, [-1, self._used_bits])
        c = tf.pad(c, [[0, 0], [0, self.frame_bits - self._used_bits]])
        x = self._mapper(self._scrambler(c))
        symbols = self.resource_grid.num_data_symbols
        shape = [-1, self.users, self.grids_per_frame, symbols, self._streams]
        x = tf.transpose(tf.reshape(x, shape), [0, 2, 1, 4, 3])
        x = self.place(tf.reshape(x, [-1, 1, self.users * self._streams, symbols]))
        return x if self.superimposed is None else self.superimposed.add(x)

    def place(self, x):
        """Grids with pilots of symbols [batch * grids, 1, streams, data symbols]."""
        return self._rg_mapper(x)

    @property
    def received_per_frame(self) -> int:
        """Grids received of a frame: in the downlink by each of the users."""
        return self.grids_per_frame * (self.users if self._downlink else 1)

    def demodulate(self, llr, frame=0):
        """LLRs of the codewords from those of the grids.

        llr : [batch * grids, 1, streams, data symbols * bits] -> [batch * blocks, n];
            in the downlink [batch * grids * users, 1, ...], of all streams at each user
        """
        if self._downlink:  # the stream of a user is the one of its number
            llr = tf.reshape(llr, [-1, self.users, self.users, llr.shape[-1]])
            llr = tf.einsum("bkkd->bkd", llr)
        symbols, bits = self.resource_grid.num_data_symbols, self.num_bits_per_symbol
        shape = [-1, self.grids_per_frame, self.users, self._streams, symbols, bits]
        llr = tf.transpose(tf.reshape(llr, shape), [0, 2, 1, 4, 3, 5])
        llr = tf.reshape(llr, [-1, self.frame_bits])
        first = frame * self.users
        llr = self._in_batch(self._descrambler, llr, first)[:, : self._used_bits]
        llr = self._symbol_order(llr)
        return self._combine(tf.reshape(llr, [-1, self._sent]))

    def grid_llr(self, llr, frame=0):
        """The inverse of `demodulate`; of the bits that fill frames nothing is known.

        llr : [batch * blocks, n] -> [batch * grids, 1, streams, data symbols * bits]
        """
        llr = self._symbol_order(self._repeat(llr))
        llr = tf.reshape(llr, [-1, self._used_bits])
        llr = tf.pad(llr, [[0, 0], [0, self.frame_bits - self._used_bits]])
        llr = self._in_batch(self._descrambler, llr, frame * self.users)
        symbols, bits = self.resource_grid.num_data_symbols, self.num_bits_per_symbol
        shape = [-1, self.users, self.grids_per_frame, symbols, self._streams, bits]
        llr = tf.transpose(tf.reshape(llr, shape), [0, 2, 1, 4, 3, 5])
        return tf.reshape(llr, [-1, 1, self.users * self._streams, symbols * bits])

    def _repeat(self, c):
        """Codewords as they are sent: again from their start where the rate is low."""
        if self._sent == self.n:
            return c
        return tf.gather(c, np.arange(self._sent) % self.n, axis=1)

    def _combine(self, llr):
        """Sums of the LLRs of repeated bits: [batch * blocks, n]."""
        if self._sent == self.n:
            return llr
        turns = -(-self._sent // self.n)
        llr = tf.pad(llr, [[0, 0], [0, turns * self.n - self._sent]])
        return tf.reduce_sum(tf.reshape(llr, [-1, turns, self.n]), axis=1)

    def _symbol_order(self, c):
        """Reverses the bits of each symbol if parity is to be on the reliable ones."""
        if not self._parity_first:
            return c
        symbols = tf.reshape(c, [-1, self.num_bits_per_symbol])
        return tf.reshape(symbols[:, ::-1], tf.shape(c))

    def check(self, llr, frame=0):
        """Image LLRs and CRC results from the LLRs of decoded blocks.

        llr : [batch * blocks, k], soft output of the channel decoder

        Returns `llr_image`, [batch, images, height, width, channels, 8], where the bits
        of a block whose CRC holds are certain (infinite), `b_hat`, [batch, images,
        blocks, k], NaN where the LLR is, and `crc_ok`, bool [batch, images, blocks].
        """
        shape = [-1, self.images_per_frame, self.blocks_per_image, self.k]
        llr = tf.reshape(llr, shape)
        b_hat = tf.where(tf.math.is_nan(llr), llr, tf.cast(llr > 0, tf.float32))
        _, crc_ok = self._crc_decoder(b_hat)
        certain = tf.where(b_hat > 0, np.inf, -np.inf)
        llr = self.image_llr(tf.where(crc_ok, certain, llr), frame)
        return llr, b_hat, crc_ok[..., 0]

    def image_llr(self, llr, frame=0):
        """Values of image bits from those of information bits.

        llr : [batch * blocks, k] -> [batch, images, height, width, channels, 8]
        """
        size = self.k - CRC_BITS
        shape = [-1, self.images_per_frame, self.blocks_per_image, self.k]
        llr = tf.reshape(llr, shape)[..., :size]
        shape = [-1, self.images_per_frame, self.blocks_per_image * size]
        llr = tf.reshape(llr, shape)[..., : self.image_bits]
        llr = self._permute(self._deinterleaver, llr, frame)
        return tf.reshape(llr, [-1, self.images_per_frame, *self.image_shape, 8])

    def block_llr(self, llr_image, frame=0):
        """The inverse of `image_llr`, with 0 for the bits of CRC and padding."""
        shape = [-1, self.images_per_frame, self.image_bits]
        llr = self._permute(self._interleaver, tf.reshape(llr_image, shape), frame)
        size = self.k - CRC_BITS
        padding = self.blocks_per_image * size - self.image_bits
        llr = tf.reshape(tf.pad(llr, [[0, 0], [0, 0], [0, padding]]), [-1, size])
        return tf.pad(llr, [[0, 0], [0, CRC_BITS]])

    def _permute(self, interleaver, bits, frame=0):
        """Permutes the last axis, in another way for each image of the batch."""
        rows = tf.reshape(bits, [-1, self.image_bits])
        rows = self._in_batch(interleaver, rows, frame * self.images_per_frame)
        return tf.reshape(rows, tf.shape(bits))

    def _in_batch(self, block, rows, first):
        """What `block`, which treats each row of a batch in another way, makes of rows.

        first : number of the first of them in the batch
        """
        batch = tf.pad(rows, [[first, 0], [0, 0]])
        return tf.ensure_shape(block(batch)[first:], rows.shape)
