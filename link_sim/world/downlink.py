"""Channels of many users in the near field of one large array, and their estimates.

The array is uniform and linear, half a wavelength apart. A path to a point at distance
r and angle theta arrives as a spherical wave,

    h_n = g exp(-2 pi i (D_n - r) / wavelength),
    D_n = sqrt(r^2 + x_n^2 - 2 r x_n sin theta),

with element n at x_n from the centre (Cui and Dai, "Channel estimation for extremely
large-scale MIMO: far-field or near-field?", IEEE TCOM 2022, eq. 4). Received is
`y = h v s + n`, so h holds what the users see, no conjugate.
"""

from typing import Literal

import numpy as np

from link_sim.scenarios.radio import SPEED_OF_LIGHT

CARRIER = 100e9
REFLECTIONS, RICE_DB = 3, 10.0
"""Paths beside the line of sight, and how far their mean powers together lie below."""
NEAREST, FARTHEST = 10.0, 100.0
"""Of users, cluster centres and reflectors [m]."""
WIDEST = 60.0
"""Degrees to either side."""
CLUSTER, CLUSTER_DEGREES, CLUSTER_METRES = 8, 0.3, 5.0
"""Users of a cluster, and their standard deviations around its centre."""
UNLIKE_DB = 10.0
"""Path gains of clustered users are uniform within so much to either side."""

Geometry = Literal["uniform", "clustered"]


def draw_downlink(
    rng: np.random.Generator, size: int, users: int, antennas: int, geometry: Geometry
) -> np.ndarray:
    """Channels h, complex64 [size, users, antennas].

    `uniform` users are independent and have |h|^2 = antennas each. `clustered` users
    stand close together in groups of `CLUSTER`, with unlike path gains, whose mean is 1
    in dB.
    """
    if geometry == "uniform":
        distance, angle = _places(rng, size, users)
        gain = np.ones((size, users))
    else:
        distance, angle = _clusters(rng, size, users)
        gain = 10 ** (rng.uniform(-UNLIKE_DB, UNLIKE_DB, (size, users)) / 10)
    h = spherical_wave(distance, angle, antennas)
    power = 10 ** (-RICE_DB / 10) / REFLECTIONS
    for _ in range(REFLECTIONS):
        reflected = _gaussian(rng, power, size, users, 1)
        h += reflected * spherical_wave(*_places(rng, size, users), antennas)
    energy = np.sum(np.abs(h) ** 2, axis=-1)
    return h * np.sqrt(gain * antennas / energy)[..., None].astype("float32")


def spherical_wave(distance, angle, antennas: int) -> np.ndarray:
    """Unit-modulus responses of the array, complex64 [..., antennas].

    distance : [m], float64 [...]; angle : [radians] off broadside
    """
    r, s = (np.asarray(z, "float64")[..., None] for z in (distance, np.sin(angle)))
    wavelength = SPEED_OF_LIGHT / CARRIER
    x = (np.arange(antennas) - (antennas - 1) / 2) * wavelength / 2
    detour = (x**2 - 2 * r * x * s) / (np.sqrt(r**2 + x**2 - 2 * r * x * s) + r)
    turns = detour / wavelength
    phase = (2 * np.pi * (turns - np.round(turns))).astype("float32")
    h = np.empty(phase.shape, "complex64")
    h.real, h.imag = np.cos(phase), -np.sin(phase)
    return h


def estimated(rng: np.random.Generator, h: np.ndarray, err_var: float) -> np.ndarray:
    """The channels as an estimator may know them: h + CN(0, err_var) per antenna."""
    return h + _gaussian(rng, err_var, *h.shape)


def focused_subarrays(h: np.ndarray, size: int) -> np.ndarray:
    """Analog beams of an array of subarrays: complex64 [batch, antennas, chains].

    Each chain feeds `size` neighbouring antennas through phase shifters and focuses
    them on one user, the users in turn; columns are orthonormal, so that `h @ beams` is
    a channel for digital precoders, whose power is that of the antennas.

    Raises `ValueError` if subarrays of that size do not fill the array.
    """
    batch, users, antennas = h.shape
    if antennas % size:
        raise ValueError(
            f"subarrays of {size} antennas do not fill an array of {antennas}: use a "
            "divisor"
        )
    chains = antennas // size
    parts = h.reshape(batch, users, chains, size)
    served = parts[:, np.arange(chains) % users, np.arange(chains)]
    phases = np.conj(served) / np.maximum(np.abs(served), 1e-30) / np.float32(size**0.5)
    beams = np.zeros((batch, chains, size, chains), "complex64")
    beams[:, np.arange(chains), :, np.arange(chains)] = np.swapaxes(phases, 0, 1)
    return beams.reshape(batch, antennas, chains)


def noise_variance(snr_db: float, users: int, antennas: int) -> float:
    """`no` for total transmit power 1, per complex dimension.

    A user of mean path gain that gets an equal share of the power, undisturbed and
    focused on, has this SNR: antennas / (users no).
    """
    return antennas / users * 10.0 ** (-snr_db / 10)


def _gaussian(rng, power: float, *shape):
    """CN(0, power), complex64."""
    pairs = rng.standard_normal((*shape, 2), "float32") * np.float32((power / 2) ** 0.5)
    return pairs.view("complex64")[..., 0]


def _places(rng, *shape):
    """Distances [m] and angles [radians], uniform."""
    distance = rng.uniform(NEAREST, FARTHEST, shape)
    return distance, np.radians(rng.uniform(-WIDEST, WIDEST, shape))


def _clusters(rng, size: int, users: int):
    """The same of users around common centres, no nearer than 1 m."""
    groups = -(-users // CLUSTER)
    distance, angle = (np.repeat(z, CLUSTER, 1) for z in _places(rng, size, groups))
    spread = rng.standard_normal((2, *distance.shape))
    distance = np.maximum(distance + CLUSTER_METRES * spread[0], 1.0)
    angle = angle + np.radians(CLUSTER_DEGREES) * spread[1]
    return distance[:, :users], angle[:, :users]
