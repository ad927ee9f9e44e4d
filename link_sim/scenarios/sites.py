"""Sites: paths from a base station to users, traced before; read without TensorFlow."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.errors import ScenarioError

SHIPPED = Path(__file__).parent / "sites"
WITHIN_DB = 20.0
"""Times begin with the first path that is at most so much below the strongest."""
SQUARE = 40.0
"""Side [m] of the squares by which users are split."""
TESTED = 0.3
"""Share of the users, at least, in squares whose users no estimator learns from."""
RAYS = 10
"""Of the dense tail of a path."""
LATE = 50e-9
"""Mean delay of the tail's rays after their path [s]."""
SPREADS = np.radians([2.0, 5.0, 10.0, 30.0])
"""Scales of their Laplacian offsets: theta and phi at the station and at the user."""
PRECISE = "gain", "delay", "angles"
"""Arrays of paths, one after the other, users in order."""


class Site(NamedTuple):
    """Users and their paths. Paths of all users stand in a row, `number` of each.

    position : [users, 3] [m]; sight : whether a path is direct; test : users that
        estimators are tested on, in other squares than those learned from
    number : of paths of each user
    gain : complex64 [paths], of isotropic antennas at the carrier
    delay : [paths] [s], 0 for the first path that matters; earlier ones are negative
    angles : [paths, 4], theta and phi at the station, theta and phi at the user, of the
        way that leads to the other end [rad]
    station : [3] [m]; carrier : [Hz]
    buildings : bool [rows along y, columns along x] over `area`, smallest and largest
        x, smallest and largest y [m]
    """

    position: np.ndarray
    sight: np.ndarray
    test: np.ndarray
    number: np.ndarray
    gain: np.ndarray
    delay: np.ndarray
    angles: np.ndarray
    station: np.ndarray
    carrier: float
    buildings: np.ndarray
    area: np.ndarray

    @classmethod
    def of(cls, position: Any, sight: Any, number: Any, gain: Any, delay: Any,
           angles: Any, station: Any, carrier: float, buildings: Any,
           area: Any) -> Self:  # fmt: skip
        """In single precision, with users split by their position."""

        def f(x: Any) -> np.ndarray:
            return np.asarray(x, np.float32)

        return cls(
            f(position), np.asarray(sight, bool), split(np.asarray(position)),
            np.asarray(number, np.int32), np.asarray(gain, np.complex64), f(delay),
            f(angles), f(station), float(carrier), np.asarray(buildings, bool), f(area),
        )  # fmt: skip

    def users(self, test: bool) -> "Paths":
        """The paths of the users that are tested on, or of those learned from."""
        return self.chosen(np.flatnonzero(self.test == test))

    def chosen(self, users: np.ndarray) -> "Paths":
        """The paths of some users, of power one in all."""
        last = np.cumsum(self.number)
        most = np.arange(self.number[users].max())
        there = most < self.number[users, None]
        place = np.where(there, (last - self.number)[users, None] + most, 0)
        gain = np.where(there, self.gain[place], 0).astype("complex128")
        gain /= np.linalg.norm(gain, axis=1, keepdims=True)
        delay = np.where(there, self.delay[place], 0).astype("float64")
        return Paths(gain, delay, self.angles[place].astype("float64"))


class Paths(NamedTuple):
    """Of users, [users, paths]; those that a user lacks have no gain.

    gain : complex128, |gain|^2 of a user sum to 1; delay : [s]
    angles : [users, paths, 4], as in `Site`
    """

    gain: np.ndarray
    delay: np.ndarray
    angles: np.ndarray


def with_tails(rng: np.random.Generator, paths: Paths, share: float) -> Paths:
    """Paths with dense tails, which stand for diffuse scattering.

    A share of the power of each path goes to `RAYS` rays with exponential delays behind
    it, Laplacian angles around it, and exponential powers. The traced files are of
    specular paths alone: tails are drawn, not traced.
    """
    if not share:
        return paths
    shape = (*paths.gain.shape, RAYS)
    power = rng.exponential(size=shape)
    power *= share * np.abs(paths.gain[..., None]) ** 2 / power.sum(-1, keepdims=True)
    late = paths.delay[..., None] + rng.exponential(LATE, shape)
    offsets = rng.laplace(size=(*shape, 4)) * SPREADS
    around = paths.angles[:, :, None] + offsets
    users = len(paths.gain)
    return Paths(
        np.concatenate([np.sqrt(1 - share) * paths.gain,
                        np.sqrt(power).reshape(users, -1)], 1),
        np.concatenate([paths.delay, late.reshape(users, -1)], 1),
        np.concatenate([paths.angles, around.reshape(users, -1, 4)], 1),
    )  # fmt: skip


def site_users(channel: Any) -> Paths:
    """The users that a section `channel` names, with tails that are theirs for good."""
    test = channel.users != "train"
    paths = load_site(channel.traced).users(test)
    return with_tails(np.random.default_rng([0, test]), paths, channel.diffuse or 0.0)


def split(position: np.ndarray) -> np.ndarray:
    """Which users are tested on, [users]: all of squares drawn by chance."""
    squares, own = np.unique(
        np.floor(position[:, :2] / SQUARE), axis=0, return_inverse=True
    )
    own = own.ravel()
    order = np.random.default_rng(0).permutation(len(squares))
    users = np.cumsum(np.bincount(own, minlength=len(squares))[order])
    enough = int(np.searchsorted(users, TESTED * len(position))) + 1
    return np.isin(own, order[:enough])


def first_within(gain: Any, delay: Any, number: Any) -> np.ndarray:
    """Delay of the first path within `WITHIN_DB` of the strongest, of users with paths.

    Users without get 0. [users]
    """
    user = np.repeat(np.arange(len(number)), number)
    strongest, first = np.zeros(len(number)), np.full(len(number), np.inf)
    np.maximum.at(strongest, user, np.abs(gain))
    matter = np.abs(gain) >= strongest[user] * 10 ** (-WITHIN_DB / 20)
    np.minimum.at(first, user[matter], np.asarray(delay)[matter])
    return np.where(np.isfinite(first), first, 0)


def save_site(path: Path, site: Site) -> None:
    """Writes a site to an `.npz` file."""
    arrays = site._asdict()
    arrays["buildings"] = np.packbits(site.buildings, axis=1)
    arrays["columns"] = site.buildings.shape[1]
    del arrays["test"]  # it follows from the positions
    np.savez_compressed(path, **arrays)


def load_site(name: str | DataFile) -> Site:
    """A shipped site by its name, or that in a file.

    Raises `ScenarioError`, one sentence, for a file that holds none.
    """
    shipped = isinstance(name, str)
    return _read(DataFile(path=str(SHIPPED / f"{name}.npz")) if shipped else name)


def shipped_sites() -> dict[str, str]:
    """Names of the sites that ship, and what they are."""
    cards = sorted(SHIPPED.glob("*.json"))
    return {card.stem: json.loads(card.read_text())["summary"] for card in cards}


@lru_cache(maxsize=4)
def _read(file: DataFile) -> Site:
    try:
        with file.arrays() as arrays:
            found: dict[str, Any] = {name: arrays[name] for name in arrays.files}
        columns = int(found.pop("columns"))
        packed = np.atleast_2d(found["buildings"])
        found["buildings"] = np.unpackbits(packed, axis=1)[:, :columns]
        found["carrier"] = float(found["carrier"])
        site = Site.of(**found)
    except Exception as error:
        raise ScenarioError(
            f"site = '{file.path}' holds no traced site: {error}; `link-sim trace` "
            "makes one"
        ) from None
    check_site(file.path, site)
    return site


def check_site(path: str, site: Site) -> None:
    """Raises `ScenarioError` for a site that no scenario can use."""
    sizes = {len(site.gain), len(site.delay), len(site.angles), int(site.number.sum())}
    users = {len(site.position), len(site.sight), len(site.number)}
    if len(sizes) > 1 or len(users) > 1 or site.angles.shape[1:] != (4,):
        raise ScenarioError(
            f"site = '{path}' holds arrays of users or of paths of different lengths: "
            "trace it again by `link-sim trace`"
        )
    paths = np.column_stack([site.gain.view("float32").reshape(-1, 2), site.delay])
    if not (np.isfinite(paths).all() and np.isfinite(site.angles).all()):
        raise ScenarioError(
            f"site = '{path}' holds NaN or infinite values: trace it again"
        )
    power = np.bincount(
        np.repeat(np.arange(len(site.number)), site.number),
        np.abs(site.gain) ** 2,
        len(site.number),
    )
    if (power <= 0).any():
        raise ScenarioError(
            f"site = '{path}' holds {(power <= 0).sum()} users without a path: leave "
            "them out"
        )
    if site.test.all() or not site.test.any():
        raise ScenarioError(
            f"site = '{path}' has users in one square of {SQUARE:g} m alone, and those "
            "tested must stand in others than those learned from: trace a larger area"
        )
