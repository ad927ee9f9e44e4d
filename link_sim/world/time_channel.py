"""The channel sample by sample: changes within symbols, paths beyond the prefix."""

import numpy as np
import tensorflow as tf
from sionna.phy.channel import ApplyTimeChannel, time_lag_discrete_time_channel
from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

from link_sim.scenarios.channel_file import excess_delay
from link_sim.scenarios.link import LinkScenario
from link_sim.world.channel import Channel
from link_sim.world.precoded_channel import PrecodedChannel

SHORTEST = 3e-6
"""Delays up to here [s], and ten times the delay spread, are always computed."""
DRAWS, BEYOND = 256, 1e-5
"""Of channels, and the share of their energy that may come later than is computed."""


class TimeChannel(Channel):
    """Sends grids as samples of their bandwidth through a channel of filter taps.

    Taps are those of Sionna's `cir_to_time_channel`, a sinc about each path. The window
    of the receiver begins 6 samples early, as Sionna's does, so that the cyclic prefix
    covers delays up to its length less those; without noise and with a short, constant
    channel it is the one in the frequency domain. The frame begins and ends in silence.

    Called, it draws frequency responses as `Channel` does: the mean over the samples of
    each OFDM symbol, which is what a receiver with perfect channel knowledge knows.

    Parameters and errors: those of `Channel`.
    """

    def __init__(self, scenario: LinkScenario, grids_per_frame: int = 1):
        super().__init__(scenario, grids_per_frame)
        grid, spread = scenario.grid, scenario.channel.delay_spread
        self._fft_size, self._prefix = grid.fft_size, grid.cyclic_prefix
        self._bandwidth = grid.fft_size * grid.subcarrier_spacing
        longest = max(SHORTEST, 10 * spread, excess_delay(scenario), self._latest())
        lags = time_lag_discrete_time_channel(self._bandwidth, longest)
        self._l_min, l_max = map(int, lags)
        self._lags = tf.range(self._l_min, l_max + 1, dtype=tf.float32)
        self._samples = grids_per_frame * grid.symbols * (self._fft_size + self._prefix)
        self._modulate = OFDMModulator(self._prefix)
        self._apply = ApplyTimeChannel(self._samples, len(self._lags))
        self._demodulate = OFDMDemodulator(self._fft_size, self._l_min, self._prefix)

    def _draw(self, batch_size):
        return self._grids_apart(self._mean_response(self.draw_taps(batch_size)), 5)

    def send(self, x_rg, no=None):
        x_rg = self._all_sent(x_rg)
        streams = x_rg.shape[2]
        shape = [-1, self._grids, 1, streams, self._symbols, self._fft_size]
        x = tf.transpose(tf.reshape(x_rg, shape), [0, 2, 3, 1, 4, 5])
        shape = [-1, 1, streams, self._grids * self._symbols, self._fft_size]
        taps = self.draw_taps(tf.shape(x)[0])
        y = self._apply(self._modulate(tf.reshape(x, shape)), taps)
        y = self._demodulate(y[..., : self._samples])
        h = self._grids_apart(self._mean_response(taps), 5)
        return self._grids_apart(y, 3), self._own(h)

    def _latest(self) -> float:
        """The delay [s] beyond which a share `BEYOND` of the energy is left."""
        a, tau = self._impulse_responses(DRAWS, 1, self._bandwidth)
        energy = np.mean(np.abs(a) ** 2, axis=(1, 2, 3, 4, 6)).ravel()
        delays = np.ravel(tau)
        order = np.argsort(-delays)
        late = np.cumsum(energy[order]) > BEYOND * energy.sum()
        return float(delays[order][np.argmax(late)])

    def draw_taps(self, batch_size):
        """[batch, 1, receive antennas, 1, all streams, samples and tail, taps]."""
        steps, number = self._samples + len(self._lags) - 1, batch_size * self._users
        a, tau = self._impulse_responses(number, steps, self._bandwidth)
        # [batch, 1, 1, 1, 1, paths, taps]
        late = tau[:, :, None, :, None, :, None] * self._bandwidth
        pulses = tf.experimental.numpy.sinc(self._lags - tf.cast(late, tf.float32))
        pulses = tf.cast(pulses[:, 0, 0, 0, 0], a.dtype)
        taps = tf.einsum("brxtapn,bpl->brxtanl", a, pulses)
        if self._in_each_frame and not self._received:
            taps = _scaled_taps(taps, tf.reduce_mean)
        taps = tf.einsum("brxtanl,am->brxtmnl", taps, self._precoder)
        if self._in_each_frame and self._received:
            taps = _scaled_taps(taps, tf.reduce_sum)
        return self._side_by_side(taps)

    def _mean_response(self, taps):
        """Of the windows: [batch, 1, receive, 1, streams, symbols, fft_size]."""
        shape = [*taps.shape[1:5], -1, self._fft_size + self._prefix, len(self._lags)]
        taps = taps[..., : self._samples, :]
        taps = tf.reshape(taps, tf.concat([tf.shape(taps)[:1], shape], 0))
        mean = tf.reduce_mean(taps[..., self._prefix :, :], axis=-2)
        f = tf.range(self._fft_size, dtype=tf.float32) - self._fft_size // 2
        phase = -2 * np.pi / self._fft_size * self._lags[:, None] * f
        return tf.einsum("brxtasl,lf->brxtasf", mean, tf.exp(tf.complex(0.0, phase)))


def _scaled_taps(taps, join):
    """Taps of mean energy 1 in each frame, that of antennas or of streams joined."""
    energy = tf.reduce_sum(tf.abs(taps) ** 2, 6, keepdims=True)
    energy = tf.reduce_mean(join(energy, 4, keepdims=True), (2, 5), keepdims=True)
    return taps / tf.cast(tf.sqrt(energy), taps.dtype)


def open_channel(scenario: LinkScenario, grids_per_frame: int = 1) -> Channel:
    """The channel in the direction and the domain that the scenario asks for."""
    if scenario.direction == "downlink":
        return PrecodedChannel(scenario, grids_per_frame)
    chosen = TimeChannel if scenario.channel.domain == "time" else Channel
    return chosen(scenario, grids_per_frame)
