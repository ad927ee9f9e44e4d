"""Channels: frequency responses over a frame, from Sionna's models or a user's file."""

import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import subcarrier_frequencies

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.ofdm import OfdmScenario
from link_sim.world.impulse_responses import impulse_responses
from link_sim.world.other_cells import Interference
from link_sim.world.precoding import precoder


class Channel:
    """Draws frequency responses from the transmitted streams to the receive antennas.

    The response of a frame runs on through its grids. It includes the precoder, the
    power split and the normalisation: on the Es/N0 axis a receive antenna gets an
    energy of 1 per resource element from all streams; on the Eb/N0 axis an antenna pair
    has an energy of 1, and what the precoder gains stays. Both are means over all
    channels, or, by `channel.normalise = "frame"`, over each frame. All this holds of
    each of several users, whose channels are independent and their streams side by
    side; then their power offsets come on top.

    Parameters
    ----------
    scenario : the scenario whose channel, grid and antennas are used
    grids_per_frame : number of consecutive OFDM grids in a frame

    Input
    -----
    batch_size : number of frames

    Output
    ------
    h : [batch * grids_per_frame, 1, receive antennas, 1, streams of all users, symbols,
        fft_size], complex64, constant over an OFDM symbol

    Raises `ScenarioError` if Sionna cannot build the channel or the file is unfit.
    """

    def __init__(self, scenario: OfdmScenario, grids_per_frame: int = 1):
        grid = scenario.grid
        self._symbols, self._grids = grid.symbols, grids_per_frame
        samples = grid.fft_size + grid.cyclic_prefix
        self._symbol_rate = grid.subcarrier_spacing * grid.fft_size / samples
        self._frequencies = subcarrier_frequencies(
            grid.fft_size, grid.subcarrier_spacing
        )
        self._in_each_frame = scenario.channel.normalisation == "frame"
        # with as many antennas as streams, both are the same
        antennas = scenario.antennas
        self._received = scenario.level == "esno_db" and (
            antennas.transmit > antennas.streams
        )
        self._precoder = tf.constant(precoder(antennas))
        others = np.repeat(scenario.channel.others, antennas.streams)
        self._amplitudes = np.sqrt([*antennas.powers, *others])
        self._users = len(self._amplitudes) // antennas.streams
        self._interference = None
        if len(others):
            self._interference = Interference(scenario, len(others))
        self._response = tf.function(
            self._frequency_response, autograph=False, jit_compile=True
        )
        try:
            steps = self._grids * self._symbols
            self._impulse_responses = impulse_responses(scenario, steps)
        except ScenarioError:
            raise
        except (AssertionError, ValueError) as error:
            raise ScenarioError(
                f"channel.model = '{scenario.channel.model}' cannot be built: {error}"
            ) from None

    def __call__(self, batch_size):
        return self._own(self._draw(batch_size))

    def _draw(self, batch_size):
        steps, number = self._grids * self._symbols, batch_size * self._users
        return self._response(
            *self._impulse_responses(number, steps, self._symbol_rate)
        )

    def _frequency_response(self, a, tau):
        if tau is None:  # `a` is over subcarriers already
            h = tf.transpose(a, [0, 1, 2, 3, 4, 6, 5])
        else:
            h = frequency_response(a, tau, self._frequencies)
        if self._in_each_frame and not self._received:
            h = _scaled(h, tf.reduce_mean(tf.abs(h) ** 2, (2, 4, 5, 6), True))
        h = tf.einsum("brxtasf,am->brxtmsf", h, self._precoder)
        if self._in_each_frame and self._received:
            energy = tf.reduce_sum(tf.abs(h) ** 2, 4, True)
            h = _scaled(h, tf.reduce_mean(energy, (2, 5, 6), True))
        return self._grids_apart(self._side_by_side(h), 5)

    def send(self, x_rg, no=None):
        """What is received without noise of grids x_rg, and the channel drawn.

        no : of the receivers, for channels of which it is a part; see `PrecodedChannel`
        """
        h = self._draw(tf.shape(x_rg)[0] // self._grids)
        return apply_channel(self._all_sent(x_rg), h), self._own(h)

    def _all_sent(self, x_rg):
        """Grids with the streams of interferers beside the own ones."""
        if self._interference is None:
            return x_rg
        return tf.concat([x_rg, self._interference(tf.shape(x_rg)[0])], axis=2)

    def _own(self, h):
        """The own streams of those drawn."""
        if self._interference is None:
            return h
        return h[:, :, :, :, : -self._interference.streams]

    def _side_by_side(self, z):
        """Streams of all users, with their powers, of users on the first axis."""
        if np.any(self._amplitudes != 1):
            scales = self._amplitudes.reshape(self._users, 1, 1, 1, -1, 1, 1)
            turns = tf.shape(z)[0] // self._users
            z *= tf.tile(tf.constant(scales, z.dtype), [turns] + [1] * 6)
        if self._users == 1:
            return z
        shape, inner = tf.shape(z)[:1] // self._users, z.shape[1:4]
        z = tf.reshape(z, tf.concat([shape, [self._users], tf.shape(z)[1:]], 0))
        z = tf.transpose(z, [0, 2, 3, 4, 1, 5, 6, 7])
        return tf.reshape(
            z, tf.concat([shape, inner, [len(self._amplitudes)], tf.shape(z)[6:]], 0)
        )

    def _grids_apart(self, z, axis: int):
        """Frames as rows of grids: the symbols, on an axis, dealt out to the batch."""
        if self._grids == 1:
            return z
        shape = [*z.shape[1:axis], self._grids, self._symbols, z.shape[-1]]
        z = tf.reshape(z, tf.concat([tf.shape(z)[:1], shape], 0))
        order = [0, axis, *range(1, axis), axis + 1, axis + 2]
        z = tf.transpose(z, order)
        return tf.reshape(z, tf.concat([[-1], tf.shape(z)[2:]], 0))


def _scaled(h, energy):
    return h / tf.cast(tf.sqrt(energy), h.dtype)


def frequency_response(a, tau, frequencies):
    """h = sum_p a_p exp(-2j pi f tau_p), as a matrix product over the paths p.

    a : [batch, 1, receive antennas, 1, transmit antennas, paths, symbols], complex64
    tau : [batch, 1, 1, paths], float [s]; frequencies : [subcarriers], float [Hz]

    Returns [batch, 1, receive antennas, 1, transmit antennas, symbols, subcarriers].
    `sionna.phy.channel.cir_to_ofdm_channel` sums the same terms one by one.
    """
    phase = -2 * np.pi * tau[:, 0, 0, :, None] * frequencies
    turns = tf.exp(tf.complex(0.0, phase))
    taps = tf.transpose(a, [0, 1, 2, 3, 4, 6, 5])
    shape = tf.shape(taps)
    h = tf.reshape(taps, [shape[0], -1, shape[-1]]) @ turns
    return tf.reshape(h, tf.concat([shape[:-1], tf.shape(frequencies)], 0))


def apply_channel(x_rg, h):
    """The noiseless received grid, [batch, 1, receive antennas, symbols, fft_size]."""
    return tf.reduce_sum(h[:, :, :, 0] * x_rg[:, None, :1], axis=3)


def add_noise(y, no):
    """Adds complex white noise of variance `no` per complex dimension, also [batch]."""
    std = tf.reshape(tf.sqrt(no / 2), [-1] + [1] * (y.shape.rank - 1))
    real, imag = (std * config.tf_rng.normal(tf.shape(y)) for _ in range(2))
    return y + tf.complex(real, imag)


def covariances(draw, frames: int = 512) -> tuple[np.ndarray, ...]:
    """Arguments of `LMMSEChannelEstimator` after the grid, from channels drawn.

    draw : number of frames -> h without nulled subcarriers; called several times.
    Raises `ScenarioError` if memory does not hold the channels.
    """
    axes = "brxtasf,brxtauf->su", "brxtasf,brxtasg->fg", "brxtasf,brytasf->xy"
    sums = [0.0, 0.0, 0.0]
    for _ in range(frames // 32):
        try:
            h = draw(tf.constant(32))
            terms = [tf.einsum(axis, h, tf.math.conj(h)).numpy() for axis in axes]
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise ScenarioError(
                "the channels from which lmmse learns their covariances do not fit in "
                "memory: lower antennas or grid.fft_size, or leave lmmse out"
            ) from None
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    scaled = [c / np.trace(c).real * len(c) for c in sums]
    energy = np.trace(sums[0]).real / (frames // 32 * tf.size(h).numpy())
    return energy * scaled[0], *scaled[1:]
