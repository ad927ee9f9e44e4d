"""Channels of a traced site: sums over paths, for any array, band and speed.

The base station has a uniform line of antennas along y, half a wavelength apart. A user
stands anywhere within some wavelengths of its place: the phases of its paths are drawn.
"""

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sites import Paths, site_users

TWO_PI = 2 * np.pi


def turned(rng, paths: Paths) -> Paths:
    """Paths whose phases are drawn."""
    turn = np.exp(2j * np.pi * rng.random(paths.gain.shape))
    return paths._replace(gain=np.abs(paths.gain) * turn)


def waves(paths: Paths, antennas: int, frequencies) -> tuple[np.ndarray, np.ndarray]:
    """Of each path over the antennas and over frequencies [Hz] about the carrier.

    exp(1j pi n sin(theta) sin(phi)) and exp(-2j pi f tau): complex128 [users, paths,
    antennas] and [users, paths, frequencies].
    """
    along = _direction(paths.angles[..., 0], paths.angles[..., 1])[1]
    return (
        _line(along, antennas),
        np.exp(-1j * TWO_PI * paths.delay[..., None] * np.asarray(frequencies)),
    )


def responses(paths: Paths, antennas: int, frequencies) -> np.ndarray:
    """h = sum over the paths of a user, complex128 [users, antennas, frequencies]."""
    left, right = waves(paths, antennas, frequencies)
    return np.swapaxes(left * paths.gain[..., None], 1, 2) @ right


def doppler_shifts(rng, paths: Paths, most: float) -> np.ndarray:
    """Of the paths of users who walk in directions drawn at random, [users, paths].

    `most` is that of a path straight ahead: a path has as much of it as the cosine of
    its way and theirs says.
    """
    heading = rng.uniform(0, TWO_PI, (len(paths.gain), 1))
    way = _direction(paths.angles[..., 2], paths.angles[..., 3])
    return most * (way[0] * np.cos(heading) + way[1] * np.sin(heading))


def site_impulse_responses(scenario):
    """A function as `impulse_responses` makes them, of users of a site.

    Users walk in directions drawn at random: a path turns by its Doppler shift, speed
    over wavelength times the cosine between its way and theirs. Their antennas are a
    line along y as well. `channel.diffuse` adds dense tails, drawn once for each user.
    Users who follow each other in a batch are different ones.

    Raises `ScenarioError` where the site has fewer users than share a frame.
    """
    channel, antennas = scenario.channel, scenario.antennas
    together = len(antennas.powers) // antennas.streams + len(channel.others)
    paths = site_users(channel)
    if len(paths.gain) < together:
        raise ScenarioError(
            f"the site has {len(paths.gain)} users for {together} who share a frame: "
            "trace more, or lower antennas.users or channel.interferers"
        )
    north = _direction(paths.angles[..., 0], paths.angles[..., 1])[1]
    user = _direction(paths.angles[..., 2], paths.angles[..., 3])
    known = np.abs(paths.gain)[..., None, None] * (
        _line(north, antennas.receive)[..., None]
        * _line(user[1], antennas.transmit)[:, :, None]
    )  # [users, paths, receive, transmit]
    known, tau = tf.constant(known, tf.complex64), tf.constant(paths.delay, tf.float32)
    ways = tf.constant(np.moveaxis(user[:2], 0, -1), tf.float32)
    turning = TWO_PI * channel.doppler  # [rad/s] of a path straight ahead

    def draw(batch_size, num_time_steps, rate):
        order = config.tf_rng.uniform([-(-batch_size // together), len(known)])
        pick = tf.reshape(tf.math.top_k(order, together).indices, [-1])[:batch_size]
        heading = config.tf_rng.uniform([batch_size, 1], 0, TWO_PI)
        phase = config.tf_rng.uniform([batch_size, known.shape[1]], 0, TWO_PI)
        way = tf.gather(ways, pick)
        ahead = way[..., 0] * tf.cos(heading) + way[..., 1] * tf.sin(heading)
        times = tf.range(num_time_steps, dtype=tf.float32) / tf.cast(rate, tf.float32)
        turn = phase[..., None] + turning * ahead[..., None] * times
        turn = tf.exp(tf.complex(0.0, turn))
        a = tf.einsum("bprt,bps->brtps", tf.gather(known, pick), turn)
        return a[:, None, :, None], tf.gather(tau, pick)[:, None, None]

    return draw


def _line(along, antennas: int) -> np.ndarray:
    """Waves over a line of antennas half a wavelength apart, [..., antennas]."""
    return np.exp(1j * np.pi * along[..., None] * np.arange(antennas))


def _direction(theta, phi) -> np.ndarray:
    """Unit vectors, [3, ...]."""
    sine = np.sin(theta)
    return np.stack([sine * np.cos(phi), sine * np.sin(phi), np.cos(theta)])
