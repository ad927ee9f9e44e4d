"""Training recipes of the learned precoders: on the sum rate itself, without labels."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import numpy as np
from keras import ops

from link_sim.models.pairwise import PairwiseNetwork
from link_sim.models.training import low_discrepancy
from link_sim.receivers.precoding.calibrated import (
    FEATURES,
    RELATIONS,
    CalibratedInputZF,
    CalibratedZF,
)
from link_sim.receivers.precoding.gram import coupled_rates, user_rates
from link_sim.receivers.precoding.wmmse import ReducedWMMSE
from link_sim.recipes.publishing import train_and_publish
from link_sim.world.downlink import draw_downlink, noise_variance

USERS, ANTENNAS = 75, 1024
LOW_DB, HIGH_DB = -2.0, 12.0
"""SNRs that `nc-published` is trained at."""
LOWEST_DB, HIGHEST_DB = -15.0, 15.0
"""Those of `nc-zf`: what is left of the others where subarrays miss users."""
GEOMETRIES = "uniform", "clustered"
POOL = 2048
"""Different drops that `nc-zf` is trained on."""
SMALL = 32, 64
"""Users and antennas of an array that cannot tell apart the users of a cluster."""
DATA = "Near-field channels of 75 users, drawn as they are needed"
ARRAYS = "Near-field channels of 75 users to 1,024 antennas, half of them to fewer"
TEST_SEED = 2**30


class MixedRates(keras.layers.Layer):
    """Rates of the users from S alone: [batch, users, users] -> [batch, users]."""

    def __init__(self, precoder):
        super().__init__()
        self.precoder, self.built = precoder, True

    def call(self, snr):
        return coupled_rates(ops.matmul(snr, self.precoder.mix(snr)), 1 / snr.shape[-1])


class SentRates(keras.layers.Layer):
    """Rates of the users from channels and noise, [batch, users, antennas], [batch]."""

    def __init__(self, precoder):
        super().__init__()
        self.precoder, self.built = precoder, True

    def call(self, h, no):
        return user_rates(h, self.precoder(h, no), no)


def lost_rate(_, rates):
    """Minus the logarithm of the sum rate, so that all SNRs and drops count alike."""
    return -ops.log(ops.sum(rates, axis=-1))


def draw_both(rng, size: int, antennas: int) -> np.ndarray:
    """Channels of which one half are of each geometry."""
    halves = [draw_downlink(rng, size // 2, USERS, antennas, g) for g in GEOMETRIES]
    return np.concatenate(halves)


@cache
def gram_pool(seed: int) -> np.ndarray:
    """h h^H / antennas of `POOL` drops, complex64 [POOL, users, users].

    One half have `ANTENNAS`, the others fewer, down to one a user, evenly in dB.
    """
    rng = np.random.default_rng([seed, POOL])
    sizes = np.geomspace(USERS, ANTENNAS**2 / USERS, POOL // 16).clip(max=ANTENNAS)
    grams = []
    for antennas in np.rint(sizes).astype(int):
        h = draw_both(rng, 16, antennas)
        grams.append(h @ np.conj(np.swapaxes(h, 1, 2)) / np.float32(antennas))
    return np.concatenate(grams)


def snr_batch(step: int, seed: int, size: int):
    """Inputs of a training step of `nc-zf`: S at SNRs uniform in dB, in strata."""
    rng = np.random.default_rng([seed, step])
    pool = gram_pool(seed)
    snr_db = LOWEST_DB + (HIGHEST_DB - LOWEST_DB) * low_discrepancy(rng, size)
    snr = 10 ** (snr_db.astype("float32") / 10)
    chosen = pool[rng.integers(0, len(pool), size)]
    return (snr[:, None, None] * chosen,), np.zeros(size, "float32"), None


def channel_batch(step: int, seed: int, size: int):
    """Inputs of a training step of `nc-published`: channels and noise variances."""
    rng = np.random.default_rng([seed, step])
    snr_db = LOW_DB + (HIGH_DB - LOW_DB) * low_discrepancy(rng, size)
    no = [noise_variance(db, USERS, ANTENNAS) for db in snr_db]
    inputs = draw_both(rng, size, ANTENNAS), np.array(no, "float32")
    return inputs, np.zeros(size, "float32"), None


def train_precoder(
    folder: Path,
    name: str,
    precoder,
    rates: Callable,
    batch: Callable,
    measure: Callable[..., dict],
    data: str,
    *numbers,
) -> None:
    """Trains and measures the network of a precoder.

    rates : the layer of rates around it; batch : (step, seed, size) -> inputs, target,
    None; measure : precoder -> quality; numbers : steps, size, learning rate and seed
    """
    train_and_publish(
        folder,
        name,
        rates(precoder),
        precoder.network,
        batch,
        lost_rate,
        lambda path: measure(type(precoder).from_preset(path)),
        {"data": data},
        *numbers,
    )


def train_calibrated(
    folder: Path,
    steps: int = 4000,
    size: int = 16,
    learning_rate: float = 3e-3,
    seed: int = 1,
) -> None:
    """Trains `nc-zf`."""
    keras.utils.set_random_seed(seed)
    precoder = CalibratedZF(PairwiseNetwork(FEATURES, RELATIONS, 2))
    shared = precoder, MixedRates, snr_batch, quality_over_arrays, ARRAYS
    train_precoder(folder, "nc-zf", *shared, steps, size, learning_rate, seed)


def train_published(
    folder: Path,
    steps: int = 1000,
    size: int = 8,
    learning_rate: float = 1e-3,
    seed: int = 1,
) -> None:
    """Trains `nc-published`."""
    keras.utils.set_random_seed(seed)
    network = PairwiseNetwork(2 * ANTENNAS + 1, 0, 2 * ANTENNAS, width=128)
    shared = CalibratedInputZF(network), SentRates, channel_batch, quality, DATA
    train_precoder(folder, "nc-published", *shared, steps, size, learning_rate, seed)


def quality(
    precoder, users: int = USERS, antennas: int = ANTENNAS, drops: int = 20
) -> dict:
    """Sum rate over that of 100 iterations of WMMSE, in percent, on unseen drops."""
    found = {"drops": drops, "users": users}
    for geometry in GEOMETRIES:
        rng = np.random.default_rng(TEST_SEED)
        h = draw_downlink(rng, drops, users, antennas, geometry)
        for snr_db in (0.0, 10.0):
            no = noise_variance(snr_db, users, antennas)
            ours, wmmse = (
                float(ops.sum(user_rates(h, p(h, no), no)))
                for p in (precoder, ReducedWMMSE(100))
            )
            key = f"percent_of_wmmse_{geometry}_at_{snr_db:g}_db"
            found[key] = round(100 * ours / wmmse, 2)
    return found


def quality_over_arrays(precoder) -> dict:
    """The same, and that of a small array."""
    users, antennas = SMALL
    small = quality(precoder, users, antennas, drops=100)
    return quality(precoder) | {f"{users}_users_{antennas}_antennas": small}
