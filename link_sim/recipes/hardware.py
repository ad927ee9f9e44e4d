"""The recipe of the detector `unrolled`: learned steps through a known amplifier."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from link_sim.experiments.link import Link
from link_sim.models.pretrained import load_model
from link_sim.models.training import low_discrepancy
from link_sim.models.unrolled import UnrolledSteps
from link_sim.receivers.detection.amplified import Amplified
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.elements import GridElements
from link_sim.receivers.detection.unrolled import FEATURES, OUTPUTS, Unrolled
from link_sim.recipes.publishing import train_and_publish
from link_sim.scenarios.loading import load_scenario
from link_sim.world.hardware.amplifiers import find_amplifier
from link_sim.world.hardware.transmission import bussgang
from link_sim.world.hardware.waveforms import Waveform

AMPLIFIER, BITS = "3gpp-polynomial", 6
BACK_OFF_DB = np.arange(0, 6.5, 0.5)
"""Of which each grid of the training has one."""
ESNO_DB = 8.0, 18.0
LEAST_GAIN = 0.1
"""Of a fading channel."""
TYPICAL = 512
"""OFDM symbols that the linear part is measured on."""
TEST_BACK_OFF_DB, TEST_ESNO_DB = 2.0, (10, 11, 12, 13, 14)


class Drives(NamedTuple):
    """A transmitter whose amplifier each grid drives as it likes.

    place, resource_grid : of the transmitter; wave, amplifier : of all grids
    drive : amplitudes [grids, 1, 1, 1, 1]; inverse : of the linear part, [grids, 1, 1,
    1, fft_size], complex64; share : var(e) of data, [grids, 1, 1, data symbols]
    """

    place: object
    resource_grid: object
    wave: Waveform
    amplifier: object
    drive: object
    inverse: object
    share: object

    @property
    def hardware(self):
        """As a `LinkContext` has it."""
        return self

    def distortion_of(self, x_rg):
        """e(x) of grids; see `Impairments`."""
        sent = self.amplifier.response(self.drive * self.wave.samples(x_rg))
        y = self.wave.carriers(sent / self.drive)
        used = tf.constant(np.isin(np.arange(y.shape[-1]), self.wave.used))
        return tf.where(used, y * self.inverse - x_rg, 0)

    def at(self, which):
        """Of the drives with these numbers, [batch], a grid each."""
        three = self.drive, self.inverse, self.share
        three = (tf.gather(tf.constant(each), which) for each in three)
        return self._replace(**dict(zip(self._fields[4:], three, strict=True)))


def every_drive() -> Drives:
    """Grids of 256 subcarriers through `AMPLIFIER`, at all `BACK_OFF_DB`."""
    own = ["payload.source=random", "grid.fft_size=256"]
    scenario = load_scenario("image-awgn", [*own, f"code.bits_per_symbol={BITS}"])
    sender = Link(scenario, ["perfect-csi"]).transmitter
    amplifier, wave = find_amplifier(AMPLIFIER), Waveform(scenario.grid, 4)
    grid = sender.resource_grid
    data = GridElements(grid).data
    rng = np.random.default_rng(1)
    x = np.zeros((TYPICAL, grid.fft_size), "complex64")
    bits = rng.choice([-100.0, 100.0], (TYPICAL, len(wave.used) * BITS))
    x[:, wave.used] = QAMDemapper("app", BITS).soft_symbols(
        tf.constant(bits, "float32")
    )
    drives, inverses, shares = [], [], []
    for back_off in BACK_OFF_DB:
        drive = np.sqrt(amplifier.reference * 10 ** (-back_off / 10))
        sent = amplifier.response(np.complex64(drive) * wave.samples(tf.constant(x)))
        gain, rest = bussgang(x, wave.carriers(sent / np.complex64(drive)))
        share = rest[wave.used] / np.abs(gain[wave.used]) ** 2
        drives.append(drive)
        inverses.append(np.divide(1, gain, out=np.zeros_like(gain), where=gain != 0))
        shares.append(np.tile(share, grid.num_ofdm_symbols)[data])
    return Drives(
        sender.place,
        grid,
        wave,
        amplifier,
        np.reshape(drives, (-1, 1, 1, 1, 1)).astype("complex64"),
        np.stack(inverses)[:, None, None, None].astype("complex64"),
        np.stack(shares)[:, None, None].astype("float32"),
    )


def received(drives: Drives, rng, which, esno_db) -> tuple:
    """Symbols as equalised, the variances of their noise, and their bits.

    Of the drives `which`, a grid each. Even rows come over AWGN, the others with
    Rayleigh fading of each symbol.
    """
    shape = len(which), 1, 1, drives.share.shape[-1]
    c = rng.integers(0, 2, (*shape, BITS)).astype("float32")
    certain = tf.reshape(100 * (2 * c - 1), (*shape[:-1], -1))
    x = QAMDemapper("app", BITS).soft_symbols(certain)
    z = np.asarray(Amplified(drives.at(which))(x))
    gain = np.maximum(rng.exponential(size=shape), LEAST_GAIN)
    gain[::2] = 1
    no = 10 ** (-np.reshape(esno_db, (-1, 1, 1, 1)) / 10) / gain
    noise = rng.standard_normal((2, *shape)) * np.sqrt(no / 2)
    z = (z + noise[0] + 1j * noise[1]).astype("complex64")
    return z, no.astype("float32"), c


def batch(step: int, seed: int, size: int, drives: Drives):
    """Inputs of one training step, as `Losses` takes them."""
    rng = np.random.default_rng([seed, step])
    which = rng.integers(0, len(BACK_OFF_DB), size).astype("int32")
    low, high = ESNO_DB
    esno_db = low + (high - low) * low_discrepancy(rng, size)
    z, no, c = received(drives, rng, which, esno_db)
    return (z.real, z.imag, no, c, which), np.zeros([size], "float32"), None


class Losses(keras.layers.Layer):
    """Information that a bit's LLRs lack, of all steps, the later the heavier: [batch].

    Called with real and imaginary parts of symbols, variances, bits, and the numbers of
    the drives.
    """

    def __init__(self, network, drives, **kwargs):
        super().__init__(**kwargs)
        self.network, self._drives = network, drives
        self._demap = QAMDemapper("app", BITS)
        self.built = True

    def call(self, real, imag, variance, c, which):
        drives = self._drives.at(which)
        steps = Unrolled(drives, self._demap, self.network)
        lost, heavy = 0.0, 0.0
        found = steps(tf.complex(real, imag), variance, drives.share)
        for number, symbols in enumerate(found, 1):
            weight = (number / self.network.steps) ** 2
            lost += weight * lack(self._demap(*symbols), c)
            heavy += weight
        return lost / heavy

    def compute_output_spec(self, real, *_):
        return keras.KerasTensor((real.shape[0],))


def lack(llr, c):
    """Mean of log2(1 + exp(-llr)) over bits, their sign turned to 1: [batch]."""
    lost = tf.math.softplus(-tf.reshape(llr, tf.shape(c)) * (2 * c - 1)) / np.log(2)
    return tf.reduce_mean(lost, axis=[1, 2, 3, 4])


def train_unrolled(
    folder: Path,
    networks: int = 5,
    width: int = 64,
    steps: int = 1300,
    size: int = 4,
    learning_rate: float = 2e-3,
    seed: int = 1,
) -> None:
    """Trains `hardware-unrolled` through an amplifier, driven from hard to mild.

    networks : steps of the detector; steps : of the training; size : grids of a step
    """
    keras.utils.set_random_seed(seed)
    network = UnrolledSteps(networks, FEATURES, OUTPUTS, width)
    drives = every_drive()
    train_and_publish(
        folder,
        "hardware-unrolled",
        Losses(network, drives),
        network,
        partial(batch, drives=drives),
        lambda target, lost: tf.reduce_mean(lost),
        partial(measure, drives=drives),
        {"data": "random bits through the amplifier 3gpp-polynomial, drawn as needed"},
        steps,
        size,
        learning_rate,
        seed,
    )


def measure(path: str, drives: Drives, size: int = 8) -> dict:
    """Information of a bit, of the last step and of distortion counted as noise."""
    network, demap, found = load_model(path), QAMDemapper("app", BITS), {"grids": size}
    which = np.full(2 * size, np.argmin(np.abs(BACK_OFF_DB - TEST_BACK_OFF_DB)))
    own = drives.at(which[::2])
    steps = Unrolled(own, demap, network)
    for esno_db in TEST_ESNO_DB:
        rng = np.random.default_rng(2**30)
        drawn = received(drives, rng, which, np.full(2 * size, esno_db))
        z, no, c = (a[::2] for a in drawn)
        found[f"at_{esno_db}_db"] = _kept(demap(*steps(z, no, own.share)[-1]), c)
        found[f"bussgang_at_{esno_db}_db"] = _kept(demap(z, no + own.share), c)
    return found


def _kept(llr, c) -> float:
    return round(1 - float(tf.reduce_mean(lack(llr, c))), 4)
