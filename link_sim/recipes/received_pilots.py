"""Training of `csi-planes`: a prior of planar arrays that saw received pilots alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.kronecker import response
from link_sim.models.pilot_losses import denoising_score, sure
from link_sim.models.plane_spectrum import (
    constant_axis,
    plane_denoiser,
    read_spectrum,
)
from link_sim.models.wavenumber_spectrum import responses, wavenumbers
from link_sim.receivers.estimation.linear_soundings import stated_error
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import train_and_publish
from link_sim.world import combiners, near_field

NAME = "csi-planes"
DATA = "Received pilots of clusters at random and isotropic fields; no clean channel"
SPACING = 0.25
"""Of the antennas [wavelengths]."""
RAYS = 200
CLUSTERS = 4
"""At most; in a fifth of the cells scattering is isotropic instead."""
SPREADS = 0.02, 0.2
"""Of the direction cosines of a cluster's rays, smallest and largest."""
LEAST_DB, MOST_DB = -5.0, 25.0


class Observed(NamedTuple):
    """How pilots of a cell are received.

    side: of the plane; measurements: of each pilot, through a combiner that the pilots
    of a cell share, or 0 where all antennas are measured; snapshots: pilots.
    """

    side: int
    measurements: int
    snapshots: int


CELLS = Observed(12, 0, 1), Observed(12, 0, 12), Observed(16, 77, 6)


def cells(rng, size: int, side: int, snapshots: int) -> np.ndarray:
    """Gaussian channels [size, snapshots, side^2], each row of an ensemble of its own.

    Plane waves from 1 to `CLUSTERS` clusters of unlike power and width, or from
    everywhere; unit power per antenna.
    """
    array = near_field.plane(side, side, 1.0, SPACING)
    turn, height = rng.uniform(0, 2 * np.pi, (size, RAYS)), rng.random((size, RAYS))
    sine = np.sqrt(1 - height**2)
    everywhere = sine[..., None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    cluster = rng.integers(0, rng.integers(1, CLUSTERS + 1, (size, 1)), (size, RAYS))
    widths = np.exp(rng.uniform(*np.log(SPREADS), (size, RAYS)))
    near = np.take_along_axis(everywhere, cluster[..., None], axis=1)
    width = np.take_along_axis(widths, cluster, axis=1)[..., None]
    near = near + width * rng.standard_normal(near.shape)
    s = np.where(rng.random(size)[:, None, None] < 0.2, everywhere, near)
    strong = np.take_along_axis(rng.exponential(size=(size, RAYS)), cluster, axis=1)
    strong = strong * (np.sum(s**2, axis=-1) < 1) + 1e-9
    strong /= np.sum(strong, axis=1, keepdims=True)
    waves = np.exp(2j * np.pi * (s @ array.positions.T)).astype("complex64")
    gains = rng.standard_normal((2, size, snapshots, RAYS), "float32")
    gains = (gains[0] + 1j * gains[1]) * np.sqrt(strong / 2)[:, None]
    return gains.astype("complex64") @ waves


def pilot_batch(step: int, seed: int, size: int, share: float = 0.0):
    """Received pilots of one step, no channels: of each kind of `CELLS` y, sigma, what
    probes them and, through a combiner, the responses as measured."""
    rng, inputs = np.random.default_rng([seed, step]), []
    size //= len(CELLS)
    for side, measurements, snapshots in CELLS:
        y = cells(rng, size, side, snapshots)
        seen = []
        if measurements:
            m = combiners.signs(rng, size, measurements, side**2)
            y = y @ np.swapaxes(m, 1, 2)
            seen = [m @ plane_responses(side)]
        no = uniform_db(rng, size, LEAST_DB, MOST_DB).reshape(-1, 1, 1, 1, 1)
        sigma = np.sqrt(no / 2).astype("float32")
        y = np.stack([y.real, y.imag], axis=-1)[:, :, :, None]
        y = y + sigma * rng.standard_normal(y.shape, "float32")
        if share:
            probe = rng.standard_normal(y.shape, "float32")
        else:
            probe = rng.choice(np.array([-1, 1], "float32"), y.shape)
        inputs += [y, sigma, probe, *seen]
    return tuple(inputs), np.zeros(size, "float32"), None


def plane_responses(side: int) -> np.ndarray:
    """Of a square plane to its visible wavenumbers, [antennas, points]."""
    return responses((side, side), wavenumbers((side, side), SPACING))


def risks(denoiser, share: float = 0.0) -> Callable:
    """Function of the inputs of `pilot_batch`: mean loss of all rounds, [batch, cells].

    That is SURE or, with a `share`, what a denoising autoencoder leaves.
    """
    second = constant_axis()
    known = {
        cell.side: (response(plane_responses(cell.side)), response(second))
        for cell in CELLS
    }

    def layer(*inputs):
        left, found = list(inputs), []
        for side, measurements, _ in CELLS:
            y, sigma, probe = left[:3]
            left = left[3:]
            axes = known[side]
            if measurements:
                own = left.pop(0)
                axes = own if share else ops.concatenate([own, own]), second
            estimates = partial(denoiser, responses=axes, training=True)
            if share:
                risk = denoising_score(estimates, y, sigma, probe, share)
            else:
                risk = sure(estimates, y, sigma, probe)
            found.append(ops.mean(risk, axis=1))
        return ops.stack(found, axis=-1)

    return layer


def mean_risk(_, found):
    """The loss where the layer computes risks itself."""
    return ops.mean(found, axis=-1)


def oracle_gap(denoiser, side, covariance, snapshots: int, snr_db: float, fits: int):
    """Loss in dB to LMMSE with the true covariance where all antennas are measured,
    after so many received pilots; mean of exact errors."""
    rng = np.random.default_rng([TEST_SEED, side, snapshots, int(10 * snr_db)])
    no, f = 10 ** (-snr_db / 10), plane_responses(side)
    eye, errors = np.eye(side**2, dtype=complex), []
    for _ in range(fits):
        h = near_field.fading(rng, snapshots, covariance)[..., 0]
        n = rng.standard_normal((2, *h.shape)) * np.sqrt(no / 2)
        power = read_spectrum(denoiser, f, h + n[0] + 1j * n[1], no)
        learned = ((f * power) @ f.conj().T).astype("complex128")
        errors.append(stated_error(eye, no, learned, covariance))
    best = stated_error(eye, no, covariance, covariance)
    return round(float(10 * np.log10(np.mean(errors) / best)), 2)


def quality(denoiser, side: int = 16, fits: int = 10) -> dict:
    """`oracle_gap` after 1, 4 and 16 pilots, isotropic and of three clusters."""
    array = near_field.plane(side, side, 1.0, SPACING)
    rng = np.random.default_rng(TEST_SEED)
    ensembles = {
        "isotropic": near_field.isotropic(array),
        "clusters": near_field.clustered(rng, array, 3),
    }
    found: dict = {"antennas": side**2, "fits": fits}
    for name, covariance in ensembles.items():
        for snr_db in (0, 10, 20):
            key = f"{name}_db_above_oracle_at_{snr_db}_db_after_1_4_16_pilots"
            found[key] = [
                oracle_gap(denoiser, side, covariance, k, snr_db, fits)
                for k in (1, 4, 16)
            ]
    return found


def train_planes(
    folder: Path,
    steps: int = 240,
    size: int = 18,
    learning_rate: float = 3e-3,
    share: float = 0.0,
    seed: int = 1,
) -> None:
    """Trains on received pilots of cells drawn at random, by SURE.

    share : noise that a denoising autoencoder adds, over that of the pilots; with one,
    the network learns as such, in place of SURE

    Raises `ValueError` for a `size` below the number of kinds of cells.
    """
    if size < len(CELLS):
        raise ValueError(
            f"size = {size} leaves kinds of cells out: use {len(CELLS)} or more"
        )
    keras.utils.set_random_seed(seed)
    side = CELLS[0].side
    denoiser = plane_denoiser(side**2, plane_responses(side).shape[1], least_noise=1e-3)
    train_and_publish(
        folder,
        NAME,
        risks(denoiser, share),
        denoiser,
        pilot_batch,
        mean_risk,
        lambda path: quality(pretrained.load_model(path)),
        {"data": DATA},
        steps,
        size,
        learning_rate,
        seed,
        share=share,
    )
