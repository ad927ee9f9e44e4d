"""The link of a scenario as a script of Sionna's own blocks, to measure ours against.

Written as Sionna's tutorials write a link, in one function for `tf.function`, with the
code, grid, antennas, channel and batch of the scenario. It sends random bits and leaves
out what images need (CRC, interleaver, scrambler, images), so it does less than ours.
"""

import tensorflow as tf
from sionna.phy.channel import OFDMChannel, RayleighBlockFading
from sionna.phy.channel.tr38901 import CDL, AntennaArray
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import BinarySource, Demapper, Mapper
from sionna.phy.ofdm import (
    LMMSEEqualizer,
    LSChannelEstimator,
    ResourceGridMapper,
)

from link_sim.scenarios.link import LinkScenario


class StockLink:
    """LS estimation, LMMSE equalisation, demapping and LDPC decoding over CDL.

    Parameters
    ----------
    scenario : with a CDL channel, or Rayleigh block fading, and as many transmit
        antennas as streams
    transmitter : our transmitter of the scenario, for code and grid parameters

    Input
    -----
    batch_size : int, number of frames
    no : scalar, noise variance per complex dimension

    Output
    ------
    b, b_hat : [batch, codewords, k], bits as sent and as decided
    """

    def __init__(self, scenario: LinkScenario, transmitter):
        grid, bits = transmitter.resource_grid, transmitter.num_bits_per_symbol
        self._k, self._frame_bits = transmitter.k, transmitter.frame_bits
        self._codewords = transmitter.images_per_frame * transmitter.blocks_per_image
        self._padding = transmitter.frame_bits - self._codewords * transmitter.n
        self._streams, self._symbols = grid.num_streams_per_tx, grid.num_data_symbols
        self.source = BinarySource()
        self.encoder = LDPC5GEncoder(transmitter.k, transmitter.n, bits)
        self.mapper = Mapper("qam", bits)
        self.rg_mapper = ResourceGridMapper(grid)
        model = _model(scenario)
        self.channel = OFDMChannel(model, grid, normalize_channel=True)
        self.estimator = LSChannelEstimator(grid, interpolation_type="lin")
        self.equalizer = LMMSEEqualizer(grid, transmitter.stream_management)
        self.demapper = Demapper("app", "qam", bits)
        self.decoder = LDPC5GDecoder(self.encoder, num_iter=transmitter.num_iter)

    def __call__(self, batch_size, no):
        b = self.source([batch_size, self._codewords, self._k])
        y = self.transmit(self.encoder(b), no)
        h_hat, err_var = self.estimator(y, no)
        x_hat, no_eff = self.equalizer(y, h_hat, err_var, no)
        return b, self.decoder(self.codewords(self.demapper(x_hat, no_eff)))

    def transmit(self, c, no):
        """The received grids of codewords; streams share a transmit energy of 1."""
        c = tf.reshape(c, [-1, self._frame_bits - self._padding])
        x = self.mapper(tf.pad(c, [[0, 0], [0, self._padding]]))
        x = tf.reshape(x, [-1, 1, self._streams, self._symbols])
        x_rg = self.rg_mapper(x)
        scale = tf.cast(self._streams, tf.float32)
        return self.channel(x_rg, no * scale) / tf.cast(tf.sqrt(scale), tf.complex64)

    def codewords(self, llr):
        """LLRs of the grids as those of the codewords."""
        llr = tf.reshape(llr, [-1, self._frame_bits])
        llr = llr[:, : self._frame_bits - self._padding]
        return tf.reshape(llr, [-1, self._codewords, self.encoder.n])


def _model(scenario: LinkScenario):
    channel, antennas = scenario.channel, scenario.antennas
    if channel.model == "rayleigh":
        return RayleighBlockFading(1, antennas.receive, 1, antennas.transmit)
    arrays = [
        _array(antennas.transmit, antennas.polarisation, "omni", channel),
        _array(antennas.receive, antennas.polarisation, "38.901", channel),
    ]
    return CDL(
        channel.model[-1].upper(),
        channel.delay_spread,
        channel.carrier_frequency,
        *arrays,
        "uplink",
        min_speed=channel.speed,
    )


def _array(count, polarisation, pattern, channel):
    dual = polarisation == "dual" and count > 1
    return AntennaArray(
        num_rows=1,
        num_cols=count // 2 if dual else count,
        polarization="dual" if dual else "single",
        polarization_type="cross" if dual else "V",
        antenna_pattern=pattern,
        carrier_frequency=channel.carrier_frequency,
    )
