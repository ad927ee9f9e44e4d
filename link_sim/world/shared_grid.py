"""A resource grid that several users share: their symbols on it, and back."""

import math
from functools import lru_cache

import numpy as np
import tensorflow as tf
from sionna.phy.ofdm import RemoveNulledSubcarriers, ResourceGridMapper

from link_sim.receivers.detection.elements import GridElements
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.receivers.detection.hardware import equalise_distorted, known_distortion
from link_sim.receivers.detection.spreading import SpreadEqualizer, spreading_codes
from link_sim.scenarios import channel_file
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.sections import Grid
from link_sim.world.channel import Channel, add_noise, apply_channel, covariances
from link_sim.world.hardware.impairments import Impairments
from link_sim.world.resource_grid import resource_grid, sounding_grid

POINTS = 4096
"""Of the symbols that hardware is measured with, Gaussian."""


class SharedGrid:
    """Sends the symbols of all users over the same resource elements, and equalises.

    A frame is one image of each user, on as many whole grids as it needs, the rest of
    them empty; users have channels of their own, streams with orthogonal pilots, and a
    transmit energy of 1 per resource element each, times their `power_offsets`. `no` is
    per receive antenna. The estimator `score` takes the spectra of all users for one.

    Users are superimposed. Where antennas cannot tell them apart, over AWGN or with
    fewer antennas than streams, each spreads its symbols by a code of its own: k
    channel uses carry `k / spread` symbols. Over AWGN this reaches the sum of the rates
    that the channel carries, for users of equal energy (Cover and Thomas, "Elements of
    information theory", 2006, section 15.3.6).

    Parameters
    ----------
    scenario : SemanticScenario
    count : channel uses of a frame, a multiple of `spread`
    """

    def __init__(self, scenario, count: int):
        grid, self.users = scenario.grid, scenario.users
        self.count, self._streams = count, scenario.antennas.streams
        self.spread = scenario.spread
        self._amplitudes = np.sqrt(scenario.powers).astype("complex64")
        self.polarisations = scenario.antennas.polarisations
        self.doppler = channel_file.doppler(scenario)
        self.excess_delay = channel_file.excess_delay(scenario)
        self.spectra = 1
        self.resource_grid = resource_grid(grid, self.users * self._streams)
        self.sounding_grid = sounding_grid(grid, self.users * self._streams)
        self._places = int(self.resource_grid.num_data_symbols)
        whole = self._places // self.spread * self.spread
        self.grids = math.ceil(count / (whole * self._streams))
        channel, learn = Channel(scenario, self.grids), scenario.to_learn
        self._to_learn = None if learn is scenario else learn
        self._channel = tf.function(channel, jit_compile=True)
        self.draw = tf.function(self._draw)
        self._mapper = ResourceGridMapper(self.resource_grid)
        self._equalise = LMMSEEqualizer(self.resource_grid)
        self._codes = spreading_codes(self.users, self.spread)
        codes = np.repeat(self._codes, self._streams, axis=0)
        self._despread = SpreadEqualizer(self.resource_grid, codes)
        self.remove_nulled = RemoveNulledSubcarriers(self.resource_grid)
        self.hardware = None
        if scenario.hardware is not None:
            self.hardware = known_hardware(scenario.hardware, grid)
            self._data = GridElements(self.resource_grid).data

    def map_symbols(self, x):
        """Grids of symbols, [frames * grids, ...].

        x : complex [frames, users, count], or `count / spread` to be spread
        """
        chips = self.count // x.shape[-1]
        places = self._places // chips
        room = self.grids * places * self._streams
        x = self._filled(x, room - x.shape[-1])
        x = tf.reshape(x, [-1, self.users, self.grids, places, self._streams])
        x = tf.transpose(x, [0, 2, 1, 4, 3])
        if chips > 1:
            x = x[..., None] * self._codes[:, None, None]
        x = tf.reshape(x, [-1, 1, self.users * self._streams, places * chips])
        left = self._places - places * chips
        return self._mapper(tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, left]]))

    def _filled(self, x, free: int):
        """Symbols, and nothing in so many places, or others that amplifiers feel."""
        if self.hardware is None:
            return tf.pad(x, [[0, 0], [0, 0], [0, free]])
        others = np.resize(gaussian_symbols(), free)
        others = tf.broadcast_to(others, [*tf.unstack(tf.shape(x)[:2]), free])
        return tf.concat([x, others], axis=-1)

    def take_symbols(self, z, count: int):
        """`count` symbols of each user from what an equaliser gives of each stream."""
        shape = [-1, self.grids, self.users, self._streams, z.shape[-1]]
        z = tf.transpose(tf.reshape(z, shape), [0, 2, 1, 4, 3])
        room = self.grids * shape[-1] * self._streams
        return tf.reshape(z, [-1, self.users, room])[..., :count]

    def draw_channel(self, frames, channel=None):
        """Independent channels of the users, side by side as streams."""
        h = [a * (channel or self._channel)(frames) for a in self._amplitudes]
        return tf.concat(h, axis=4)

    def _draw(self, frames, no):
        """A channel, and noise for all that is sent over it: `grids` rows a frame."""
        h = self.draw_channel(frames)
        return h, self.noise(h, no)

    def covariances(self):
        """Arguments of `LMMSEChannelEstimator`."""
        channel = None
        if self._to_learn is not None:
            channel = tf.function(Channel(self._to_learn, self.grids), jit_compile=True)
        found = covariances(
            lambda frames: self.seen(self.draw_channel(frames, channel))
        )
        powers = np.repeat(np.abs(self._amplitudes) ** 2, self._streams)
        return *found, powers / powers.mean()

    def noise(self, h, no):
        """Noise for all receive antennas, drawn once for all that is sent over `h`."""
        shape = tf.concat([tf.shape(h)[:3], tf.shape(h)[5:]], 0)
        return add_noise(tf.zeros(shape, tf.complex64), no)

    def send(self, x, h, noise):
        """What is received of the users' symbols."""
        x_rg = self.map_symbols(x)
        if self.hardware is None:
            return apply_channel(x_rg, h) + noise
        y = apply_channel(self.hardware.send(x_rg), h) + noise
        return self.hardware.receive(y, h)

    def seen(self, h):
        """The channel with the linear part of the hardware, subcarriers in use."""
        return self.remove_nulled(h if self.hardware is None else self.hardware.seen(h))

    def receive(self, y, h_hat, err_var, no, alone: bool, aware: bool = True):
        """Symbols and noise variances, [frames, users, symbols], by LMMSE equalisation.

        alone : whether a user may count on the others to be silent; then symbols are
            not spread
        aware : whether the distortion of hardware counts as noise
        """
        count = self.count if alone else self.count // self.spread
        if alone and self.users > 1:
            parts = [
                self._equalise(y, *(self._own(z, u) for z in (h_hat, err_var)), no)
                for u in range(self.users)
            ]
            found = (tf.concat(z, axis=2) for z in zip(*parts, strict=True))
        elif self.hardware is not None and aware:
            err_var, share = known_distortion(self.hardware, h_hat, err_var, no)
            seen = y, h_hat, err_var, no, share
            found = equalise_distorted(self._equalise, self._data, *seen)
        else:
            equalise = self._despread if self.spread > 1 else self._equalise
            found = equalise(y, h_hat, err_var, no)
        return tuple(self.take_symbols(z, count) for z in found)

    def _own(self, z, user: int):
        if z.shape[4] == 1:
            return z
        return z[:, :, :, :, user * self._streams : (user + 1) * self._streams]


@lru_cache(maxsize=1)
def known_hardware(hardware: Hardware, grid: Grid) -> Impairments:
    """Hardware, measured with Gaussian symbols; `ValueError` for what it cannot do."""
    return Impairments(hardware, grid, gaussian_symbols())


def gaussian_symbols() -> np.ndarray:
    """Complex Gaussian numbers with a mean energy of 1, always the same ones."""
    parts = np.random.default_rng(1).standard_normal((2, POINTS))
    points = parts[0] + 1j * parts[1]
    points /= np.sqrt(np.mean(np.abs(points) ** 2))
    return points.astype("complex64")


def noise_variance(esno_db: float) -> np.float32:
    """`no` at the true SNR of one user."""
    return np.float32(10 ** (-esno_db / 10))
