"""Training of `csi-site`: channels of a traced site, and where its users stand."""

from functools import cache
from pathlib import Path

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.gated_field import GatedField
from link_sim.receivers.estimation.field_network import condition_of, turned_to_grid
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import train_and_publish
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.radio import SPEED_OF_LIGHT
from link_sim.scenarios.sites import Paths, load_site
from link_sim.world.site_channels import responses, turned

NAME, SCENARIO = "csi-site", "site"
LOWEST_DB, HIGHEST_DB = -24.0, 36.0
"""SNRs of training."""
REACH = 2.5
"""Users stand so far from the place that was traced, at most, along x and y [m]."""
UNKNOWN = 0.5
"""Chance that the place is not told, and that the line of sight is not."""
USUAL = 0.02
"""Mean squared error over the noise's variance that the loss reckons with."""


def site_batch(step: int, seed: int, size: int):
    """Inputs and target of one training step; all levels count alike."""
    rng = np.random.default_rng([seed, step])
    x0, condition = _users(rng, size, test=False)
    known = rng.random((size, 2)) > UNKNOWN
    condition[:, :3] *= known[:, :1]
    condition[:, 3] *= known[:, 1]
    no = uniform_db(rng, size, LOWEST_DB, HIGHEST_DB)
    sigma = np.sqrt(no / 2).astype("float32").reshape(-1, 1, 1, 1)
    x = x0 + sigma * rng.standard_normal(x0.shape, "float32")
    weight = np.broadcast_to(1 / (USUAL * 2 * sigma**2) + 1, (*x0.shape[:3], 1))
    target = np.concatenate([x0, weight], axis=-1).astype("float32")
    return (x, sigma, condition), target, None


def loss(target, estimate):
    """Squared error, weighted, and how likely it is by the variance stated: [batch]."""
    x0, weight = target[..., :2], target[:, 0, 0, 2]
    error = 2 * ops.mean((estimate[..., :2] - x0) ** 2, axis=(1, 2, 3))
    variance, seen = estimate[:, 0, 0, 2], ops.stop_gradient(error)
    return weight * error + seen / variance + ops.log(variance)


@cache
def _cell():
    cell = load_scenario(SCENARIO).cell
    return cell, load_site(cell.name)


def _users(rng, size: int, test: bool):
    """Fields over angles and delays [size, 16, 64, 2] of users, and their conditions.

    Users who are learned from stand anywhere near the places that were traced.
    """
    cell, site = _cell()
    users = rng.choice(np.flatnonzero(site.test == test), size)
    paths, position = site.chosen(users), site.position[users]
    if not test:
        offset = rng.uniform(-REACH, REACH, (size, 2))
        reach = np.linalg.norm(position - site.station, axis=1, keepdims=True)
        paths, position = moved(rng, paths, offset, reach), position.copy()
        position[:, :2] += offset
    h = responses(turned(rng, paths), cell.antennas, cell.frequencies)
    return turned_to_grid(h), condition_of(position - site.station, site.sight[users])


def moved(rng, paths: Paths, offset: np.ndarray, distance: np.ndarray) -> Paths:
    """Paths of users who stand `offset` [users, 2] [m] away from where they were.

    Delays change as those of plane waves, and begin where they did. Directions at the
    station change by as much as the user's moves, `distance` [users, 1] away and more,
    and by what the walls add to either side.
    """
    theta, phi = paths.angles[..., 2], paths.angles[..., 3]
    way = np.sin(theta)[..., None] * np.stack([np.cos(phi), np.sin(phi)], axis=-1)
    later = -np.einsum("upi,ui->up", way, offset) / SPEED_OF_LIGHT
    there = np.where(paths.gain == 0, np.inf, np.abs(paths.delay))
    first = np.argmin(there, axis=1)[:, None]
    later -= np.take_along_axis(later, first, axis=1)
    length = distance + SPEED_OF_LIGHT * np.maximum(paths.delay, 0)
    angles = paths.angles.copy()
    angles[..., 1] += rng.uniform(-REACH, REACH, phi.shape) / length
    return paths._replace(delay=paths.delay + later, angles=angles)


def quality(network, channels: int = 200) -> dict:
    """NMSE in dB, and squared errors over what is stated, of users who are tested."""
    rng = np.random.default_rng(TEST_SEED)
    x0, told = _users(rng, channels, test=True)
    found = {"channels": channels}
    for snr_db in (-10, 0, 10, 20):
        sigma = np.float32(np.sqrt(10 ** (-snr_db / 10) / 2))
        x = x0 + sigma * rng.standard_normal(x0.shape, "float32")
        for name, condition in (("", 0 * told), ("_of_known_places", told)):
            sigmas = np.full((channels, 1, 1, 1), sigma)
            mean, variance = network.posterior(x, sigmas, condition)
            error = 2 * np.mean((ops.convert_to_numpy(mean) - x0) ** 2, axis=(1, 2, 3))
            nmse = 10 * np.log10(np.mean(error) / (2 * np.mean(x0**2)))
            found[f"nmse_db_at_{snr_db}_db{name}"] = round(float(nmse), 2)
            ratio = np.mean(error / ops.convert_to_numpy(variance))
            found[f"error_over_stated_at_{snr_db}_db{name}"] = round(float(ratio), 2)
    return found


def train_site(
    folder: Path,
    steps: int = 2200,
    size: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 1,
) -> None:
    """Trains on users of the scenario `site` that are not tested, at -24 to 36 dB."""
    cell, _ = _cell()
    keras.utils.set_random_seed(seed)
    network = GatedField((cell.antennas, cell.subcarriers))
    data = (
        "Users of the site munich that are learned from; its map is of OpenStreetMap "
        "contributors, Open Database License"
    )
    train_and_publish(
        folder,
        NAME,
        lambda x, sigma, condition: network([x, sigma, condition]),
        network,
        site_batch,
        loss,
        lambda path: quality(pretrained.load_model(path)),
        {"data": data},
        steps,
        size,
        learning_rate,
        seed,
    )
