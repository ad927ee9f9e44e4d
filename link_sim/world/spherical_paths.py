"""Spherical waves in a link: impulse responses of a long array that users are near to.

    a(x, t) = sum_l g_l exp(-j k delta_l(x)) exp(j 2 pi f_l t),   delay tau_l

with `delta` the exact way to the antenna at x, as `estimation.spherical_waves` has it.
"""

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.ofdm import OfdmScenario
from link_sim.world.near_field import LIGHT

PATHS = 6
RANGES = 5.0, 30.0
"""Of the points that waves come from [m], as in the scenario `near-field`."""
DEGREES = 60.0
"""Largest angle off boresight, at both ends."""


def spherical_paths(scenario: OfdmScenario):
    """A function of (batch size, time steps, rate) that draws `a` and `tau`.

    The base station has a line of antennas half a wavelength apart, or of
    cross-polarised pairs whose gains are independent; the user has a small one, which
    waves leave plane. Gains are CN(0, 1 / PATHS), delays exponential with the mean
    `channel.delay_spread`, Doppler shifts those of Clarke. Shapes as in
    `impulse_responses`.
    """
    antennas, channel = scenario.antennas, scenario.channel
    pairs = [
        2 if antennas.polarisation == "dual" and n > 1 else 1
        for n in (antennas.receive, antennas.transmit)
    ]
    base, user = (
        _line(n // pair, LIGHT / channel.carrier_frequency)
        for n, pair in zip((antennas.receive, antennas.transmit), pairs, strict=True)
    )
    wavenumber = 2 * np.pi * channel.carrier_frequency / LIGHT

    def draw(batch_size, num_time_steps, rate):
        def uniform(low, high, *shape):
            return config.tf_rng.uniform([batch_size, *shape, PATHS], low, high)

        angle = np.radians(DEGREES)
        arrive, leave = (tf.sin(uniform(-angle, angle)) for _ in range(2))
        near = _waves(wavenumber, base, arrive, 1 / uniform(*RANGES))
        plane = _waves(wavenumber, user, leave, tf.zeros_like(leave))
        gains = tf.complex(
            *(config.tf_rng.normal([batch_size, *pairs, PATHS]) for _ in range(2))
        ) / np.sqrt(2 * PATHS).astype("complex64")
        a = tf.einsum("bnl,bml,bpql->bnpmql", near, plane, gains)
        a = tf.reshape(a, [-1, 1, antennas.receive, 1, antennas.transmit, PATHS, 1])
        shift = channel.doppler * tf.cos(uniform(0.0, 2 * np.pi))
        time = tf.range(num_time_steps, dtype=tf.float32) / rate
        turns = _turns(2 * np.pi * shift[..., None] * time)
        tau = -channel.delay_spread * tf.math.log(uniform(1e-7, 1.0))
        tau = tau - tf.reduce_min(tau, axis=1, keepdims=True)
        return a * turns[:, None, None, None, None], tau[:, None, None]

    return draw


def _line(count: int, wavelength: float) -> np.ndarray:
    """Places of antennas about their centre [m]."""
    return ((np.arange(count) - (count - 1) / 2) * wavelength / 2).astype("float32")


def _waves(wavenumber: float, x, s, w):
    """Responses of antennas at x to waves from sines s at ranges 1 / w: [b, n, l]."""
    x, s, w = x[:, None], s[:, None], w[:, None]
    root = tf.sqrt(1 - 2 * w * x * s + (w * x) ** 2)
    return _turns(-wavenumber * (x**2 * w - 2 * x * s) / (root + 1))


def _turns(phase):
    return tf.complex(tf.cos(phase), tf.sin(phase))
