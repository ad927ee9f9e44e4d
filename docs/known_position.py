"""What it is worth to know where a user stands, on the shipped site with few pilots.

python docs/known_position.py USERS

NMSE [dB] at 0, 10 and 20 dB, with half the width of the 95 % interval and the median,
of users that are tested on, with pilots on each eighth carrier. Beside `nomp`, which
knows nothing, and `genie`, for which map and position are exact: MMSE estimates under a
mixture of Gaussians, one for the paths of each of the four users nearest to the place
and one for all. The nearest are of all other users of the site (a map with a point
every 5 m) or of those learned from, who stand in other squares of 40 m; or they are
four of these by chance, as a check.
"""

import sys

import numpy as np

from link_sim import load_scenario
from link_sim.experiments.csi_fields import World
from link_sim.models.kronecker_mixture import covariances
from link_sim.receivers.estimation import fields, gridless
from link_sim.scenarios.sites import load_site
from link_sim.world.ensembles import received
from link_sim.world.site_channels import responses, turned, waves

NEAREST = 4
SHARE = 0.05
"""Of the covariance of all users that are learned from, in that of each."""
TURNS, DELAY = 0.004, 5e-9
"""Standard deviations of angles [turns per antenna] and delays [s] from theirs."""


def main(users: int) -> None:
    cell, rng = load_scenario("site").cell, np.random.default_rng(4)
    site, shape = load_site(cell.name), (cell.antennas, cell.subcarriers)
    chosen = rng.choice(np.flatnonzero(site.test), users)
    paths = turned(rng, site.chosen(chosen))
    h = responses(paths, cell.antennas, cell.frequencies)
    powers, own = np.abs(paths.gain) ** 2, waves(paths, cell.antennas, cell.frequencies)
    (learned,) = World(cell, ("site",)).learned()
    everyone, blurred = np.kron(*covariances(learned)), _blur(cell)
    away = np.linalg.norm(site.position[chosen, None] - site.position, axis=2)
    away[away == 0] = np.inf
    unknown = np.where(site.test, np.inf, 1)
    ranks = {
        "a map of 5 m": away,
        "learned from": away * unknown,
        "by chance": rng.random(away.shape) * unknown,
    }
    near = {name: np.argsort(rank)[:, :NEAREST] for name, rank in ranks.items()}
    carriers = cell.carriers(1 / 8)
    seen = np.arange(h[0].size).reshape(shape)[:, carriers].ravel()
    errors: dict[str, list] = {name: [] for name in ("genie", "nomp", *near)}
    for snr in (0, 10, 20):
        no = 10 ** (-snr / 10)
        y = received(rng, h[:, :, carriers].astype("complex64"), no)
        y = y.astype("complex128")
        found = {
            "genie": fields.genie(y, no, carriers, powers, own)[0],
            "nomp": gridless.nomp(y, no, carriers, shape[1])[0],
        }
        for name, those in near.items():
            told = []
            for z, nearest in zip(y.reshape(users, -1), those, strict=True):
                known = [everyone] + [
                    (1 - SHARE) * _of(site, user, cell) * blurred + SHARE * everyone
                    for user in nearest
                ]
                told.append(_mmse(known, seen, z, no))
            found[name] = np.reshape(told, h.shape)
        for name, h_hat in found.items():
            errors[name].append(np.mean(np.abs(h_hat - h) ** 2, axis=(1, 2)))
    for name, error in errors.items():
        print(f"{name}:", *map(_decibels, error))


def _of(site, user: int, cell) -> np.ndarray:
    """Covariance of the paths of a user."""
    paths = site.chosen(np.array([user]))
    left, right = (z[0] for z in waves(paths, cell.antennas, cell.frequencies))
    atoms = (left[:, :, None] * right[:, None]).reshape(len(left), -1)
    atoms *= np.abs(paths.gain[0])[:, None]
    return atoms.T @ atoms.conj()


def _blur(cell) -> np.ndarray:
    """What independent Gaussian errors of angles and delays do to a covariance."""
    n, f = np.arange(cell.antennas), cell.frequencies
    apart = (z[:, None] - z for z in (TURNS * n, DELAY * f))
    return np.kron(*(np.exp(-((2 * np.pi * z) ** 2) / 2) for z in apart))


def _mmse(known, seen, y, no: float) -> np.ndarray:
    """The mean under Gaussians of equal weights."""
    fits, means = [], []
    for c in known:
        inner = c[np.ix_(seen, seen)] + no * np.eye(len(seen))
        z = np.linalg.solve(inner, y)
        fits.append(-np.real(np.vdot(y, z)) - np.linalg.slogdet(inner)[1])
        means.append(c[:, seen] @ z)
    p = np.exp(fits - np.max(fits))
    return p @ means / p.sum()


def _decibels(error) -> str:
    half = 1.96 * error.std() / np.sqrt(len(error)) / error.mean()
    mean, middle = 10 * np.log10([error.mean(), np.median(error)])
    return f"{mean:.1f} ({10 * np.log10(1 + half):.1f}), median {middle:.1f};"


if __name__ == "__main__":
    main(int(sys.argv[1]))
