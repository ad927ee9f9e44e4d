"""Power amplifiers: from models in the literature and from measurements."""

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from link_sim.scenarios.data_files import DataFile
from link_sim.world.hardware.measurements import read

COMPRESSION = 10 ** (-1 / 20)
"""Of the gain at the drive from which back-off counts: 1 dB below its largest."""
LOUDEST = 1000.0
"""Amplitude up to which saturation is looked for, of samples of mean power 1."""
POLYNOMIAL_RANGE = -35.0, 10.0
"""Input [dBm] for which the polynomials of R4-163314 are given."""
AM_AM = (
    7.9726e-12, 1.2771e-9, 8.2526e-8, 2.6615e-6, 3.9727e-5,
    2.7715e-5, -7.1100e-3, -7.9183e-2, 0.82921, 27.3535,
)  # fmt: skip
AM_PM = (
    9.8591e-11, 1.3544e-8, 7.297e-7, 1.8757e-5, 1.973e-4,
    -7.5352e-4, -3.6477e-2, -0.27752, -1.6672e-2, 79.1553,
)  # fmt: skip


class Amplifier(NamedTuple):
    """An amplifier at complex baseband.

    response : samples [..., samples], complex64, to as many, with the past of the first
        being the last (a cyclic prefix longer than `memory` makes it so)
    reference : mean power of samples at a back-off of 0 dB
    memory : samples of the past that matter
    """

    response: Callable
    reference: float
    memory: int = 0


def rapp(amplitude, smoothness: float = 2.0):
    """Gain and phase [rad]: 1 / (1 + r^2p)^(1/2p) (Rapp 1991); saturates at 1."""
    gain = (1 + amplitude ** (2 * smoothness)) ** (-0.5 / smoothness)
    return gain, tf.zeros_like(amplitude)


def modified_rapp(amplitude):
    """Gain and phase of 3GPP's modified Rapp model, 30 GHz.

    r -> 16 r / (1 + (16 r / 1.9)^2.2)^(1/2.2), and a phase of
    -345 r^4 / (1 + (r / .17)^4), here in radians.
    """
    gain = 16 * (1 + (16 * amplitude / 1.9) ** 2.2) ** (-1 / 2.2)
    return gain, -345 * amplitude**4 / (1 + (amplitude / 0.17) ** 4)


def saleh(amplitude):
    """Gain and phase: 2.1587 / (1 + 1.1517 r^2), 4.0033 r^2 / (1 + 9.104 r^2).

    A travelling-wave tube (Saleh 1981).
    """
    power = amplitude**2
    return 2.1587 / (1 + 1.1517 * power), 4.0033 * power / (1 + 9.1040 * power)


def polynomial(amplitude):
    """Gain and phase by polynomials in dBm (3GPP R4-163314, 4 GHz).

    A mean power of 1 is 1 mW. Below their range the gain is constant, beyond it what
    comes out is.
    """
    low, high = (10 ** (level / 20) for level in POLYNOMIAL_RANGE)
    inside = tf.clip_by_value(amplitude, low, high)
    level = 20 * tf.math.log(inside) / np.log(10)
    am, pm = (tf.math.polyval(list(map(float, c)), level) for c in (AM_AM, AM_PM))
    beyond = tf.maximum(amplitude / high, 1.0)
    return 10 ** ((am - level) / 20) / beyond, pm * np.pi / 180


MEMORYLESS = {
    "rapp": rapp,
    "modified-rapp": modified_rapp,
    "saleh": saleh,
    "3gpp-polynomial": polynomial,
}


def find_amplifier(name: str | DataFile) -> Amplifier:
    """The amplifier with a name of `scenarios.hardware`, or from a measurement."""
    if isinstance(name, DataFile):
        return _generalised(read(name))
    if name not in MEMORYLESS:
        return _generalised(measured()[name])
    curve = MEMORYLESS[name]
    return Amplifier(lambda x: _memoryless(curve, x), compression_point(curve))


def _generalised(fit: dict) -> Amplifier:
    """A generalised memory polynomial, behind a limiter at the largest drive known."""
    taps = {
        int(lag): tf.complex(*np.array(parts, "float32"))
        for lag, parts in fit["coefficients"].items()
    }
    peak = float(fit["peak"])

    def respond(x):
        x = clipped(x, peak)
        return tf.add_n([memory_polynomial(x, c, lag) for lag, c in taps.items()])

    return Amplifier(respond, 1.0, max(c.shape[0] for c in taps.values()) - 1)


@cache
def measured() -> dict:
    """Coefficients of measured amplifiers by name; see `recipes.amplifiers`."""
    path = files("link_sim.world.hardware").joinpath("measured.json")
    return json.loads(path.read_text("utf-8"))


def _memoryless(curve, x):
    gain, phase = curve(tf.abs(x))
    return x * tf.complex(gain * tf.cos(phase), gain * tf.sin(phase))


def clipped(x, peak: float):
    """Samples whose amplitude is at most `peak`, their phase kept."""
    scale = peak / tf.maximum(tf.abs(x), peak)
    return x * tf.complex(scale, tf.zeros_like(scale))


def memory_polynomial(x, taps, lag: int = 0):
    """sum_m sum_k c_mk x[n - m] |x[n - m - lag]|^k, cyclic, as a filter of few terms.

    x : [..., samples], complex64; taps : [memory + 1, orders], complex64
    (Kim and Konstantinou 2001, and Morgan et al. 2006 where there is a lag; a
    polynomial and a shift for each tap).
    """
    amplitude = tf.roll(tf.abs(x), lag, axis=-1)
    real, imag = tf.math.real(taps), tf.math.imag(taps)
    total = 0.0
    for m in range(taps.shape[0]):
        gains = (
            tf.math.polyval(tf.unstack(c[m, ::-1]), amplitude) for c in (real, imag)
        )
        total += tf.roll(x * tf.complex(*gains), m, axis=-1)
    return total


def compression_point(curve) -> float:
    """Power at which the gain of a curve is 1 dB below its largest."""
    amplitude = np.geomspace(1e-3, 10, 40_001, dtype="float32")
    gain = np.asarray(curve(tf.constant(amplitude))[0])
    largest = int(np.argmax(gain >= gain.max() * (1 - 1e-6)))
    beyond = gain[largest:] <= COMPRESSION * gain[largest]
    return float(amplitude[largest + np.argmax(beyond)] ** 2)


def saturation(amplify) -> tuple[float, float]:
    """The least steady amplitude that gives 99 % of the largest, and the largest."""
    levels = np.geomspace(0.1, LOUDEST, 800).astype("float32")
    steady = tf.constant(levels[:, None] * np.ones([1, 64]), tf.complex64)
    given = np.abs(amplify(steady)[:, -1])
    nearly = np.argmax(given >= 0.99 * given.max())
    return float(levels[nearly]), float(given.max())
