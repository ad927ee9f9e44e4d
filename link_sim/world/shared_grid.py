"""A resource grid that several users share: their symbols on it, and back."""

import math

import numpy as np
import tensorflow as tf
from sionna.phy.ofdm import RemoveNulledSubcarriers, ResourceGridMapper

from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.scenarios import channel_file
from link_sim.world.channel import Channel, add_noise, apply_channel, covariances
from link_sim.world.resource_grid import resource_grid, sounding_grid


class SharedGrid:
    """Sends the symbols of all users over the same resource elements, and equalises.

    A frame is one image of each user, on as many whole grids as it needs, the rest of
    them empty; users have channels of their own, streams with orthogonal pilots, and a
    transmit energy of 1 per resource element each. `no` is per receive antenna. The
    estimator `score` takes the spectra of all users for one.

    Parameters
    ----------
    scenario : SemanticScenario
    count : symbols of a user in a frame
    """

    def __init__(self, scenario, count: int):
        grid, self.users = scenario.grid, scenario.users
        self.count, self._streams = count, scenario.antennas.streams
        self.polarisations = scenario.antennas.polarisations
        self.doppler = channel_file.doppler(scenario)
        self.excess_delay = channel_file.excess_delay(scenario)
        self.spectra = 1
        self.resource_grid = resource_grid(grid, self.users * self._streams)
        self.sounding_grid = sounding_grid(grid, self.users * self._streams)
        self._places = int(self.resource_grid.num_data_symbols)
        self.grids = math.ceil(count / (self._places * self._streams))
        channel = Channel(scenario, self.grids)
        self._channel = tf.function(channel, jit_compile=True)
        self.draw = tf.function(self._draw)
        self._mapper = ResourceGridMapper(self.resource_grid)
        self._equalise = LMMSEEqualizer(self.resource_grid)
        self.remove_nulled = RemoveNulledSubcarriers(self.resource_grid)

    def map_symbols(self, x):
        """Grids of symbols: complex [frames, users, count] -> [frames * grids, ...]."""
        room = self.grids * self._places * self._streams
        x = tf.pad(x, [[0, 0], [0, 0], [0, room - self.count]])
        shape = [-1, self.users, self.grids, self._places, self._streams]
        x = tf.transpose(tf.reshape(x, shape), [0, 2, 1, 4, 3])
        streams = self.users * self._streams
        return self._mapper(tf.reshape(x, [-1, 1, streams, self._places]))

    def take_symbols(self, z):
        """The inverse of `map_symbols` for what an equaliser gives of each stream."""
        shape = [-1, self.grids, self.users, self._streams, self._places]
        z = tf.transpose(tf.reshape(z, shape), [0, 2, 1, 4, 3])
        room = self.grids * self._places * self._streams
        return tf.reshape(z, [-1, self.users, room])[..., : self.count]

    def draw_channel(self, frames):
        """Independent channels of the users, side by side as streams."""
        return tf.concat([self._channel(frames) for _ in range(self.users)], axis=4)

    def _draw(self, frames, no):
        """A channel, and noise for all that is sent over it: `grids` rows a frame."""
        h = self.draw_channel(frames)
        return h, self.noise(h, no)

    def covariances(self):
        """Arguments of `LMMSEChannelEstimator`."""
        return covariances(lambda frames: self.remove_nulled(self.draw_channel(frames)))

    def noise(self, h, no):
        """Noise for all receive antennas, drawn once for all that is sent over `h`."""
        shape = tf.concat([tf.shape(h)[:3], tf.shape(h)[5:]], 0)
        return add_noise(tf.zeros(shape, tf.complex64), no)

    def send(self, x, h, noise):
        """What is received of the users' symbols."""
        return apply_channel(self.map_symbols(x), h) + noise

    def receive(self, y, h_hat, err_var, no, alone: bool):
        """Symbols and noise variances, [frames, users, count], by LMMSE equalisation.

        alone : whether a user may count on the others to be silent
        """
        if not alone or self.users == 1:
            found = self._equalise(y, h_hat, err_var, no)
        else:
            parts = [
                self._equalise(y, *(self._own(z, u) for z in (h_hat, err_var)), no)
                for u in range(self.users)
            ]
            found = (tf.concat(z, axis=2) for z in zip(*parts, strict=True))
        return tuple(self.take_symbols(z) for z in found)

    def _own(self, z, user: int):
        if z.shape[4] == 1:
            return z
        return z[:, :, :, :, user * self._streams : (user + 1) * self._streams]


def noise_variance(esno_db: float) -> np.float32:
    """`no` at the true SNR of one user."""
    return np.float32(10 ** (-esno_db / 10))
