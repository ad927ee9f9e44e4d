"""Ensembles of MIMO channels without a grid, as channel estimation is compared on.

Each draws channels `h`, complex64 [size, receive, transmit] with E|h|^2 = 1, from a
seed, and says how they are sounded: `Y = H P + N`, `N ~ CN(0, no)` per element.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel.tr38901 import CDL, AntennaArray

CARRIER = 40e9
DELAY_SPREAD = 30e-9
CHUNK = 100
"""Channels that Sionna draws at a time."""
SPREAD_BASE, SPREAD_MOBILE = 2.0, 35.0
"""Standard deviations of the Laplacian power angular spectra [degrees]."""
OVERSAMPLING = 100
ANGLE_STEP = 0.5
"""Degrees between the angles that are averaged over."""


class Ensemble(NamedTuple):
    """Channels of one kind.

    shape : (receive, transmit) antennas
    draw : (seed, size) -> h
    pilots : (rng, size, alpha) -> P, complex64 [size, transmit, floor(alpha transmit)]
    pilot_energy : of a pilot vector; `no = pilot_energy / SNR`
    """

    shape: tuple[int, int]
    draw: Callable
    pilots: Callable
    pilot_energy: float

    def noise_variance(self, snr_db) -> float:
        """`no`, per complex element of Y."""
        return self.pilot_energy * 10.0 ** (-snr_db / 10)


def draw_scm(seed: int, size: int) -> np.ndarray:
    """Channels of the 3GPP spatial channel model with three paths, 64 x 16 antennas.

    See `scm_covariances`; given the covariances, h is Gaussian.
    """
    rng = np.random.default_rng(seed)
    return fading(rng, *scm_covariances(rng, size))


def fading(rng, receive: np.ndarray, transmit: np.ndarray) -> np.ndarray:
    """Gaussian channels with covariances `receive` and `transmit` of their two ends."""
    left, right = (
        np.linalg.cholesky(c + 1e-10 * np.eye(c.shape[-1])) for c in (receive, transmit)
    )
    w = rng.standard_normal((2, len(left), left.shape[-1], right.shape[-1]))
    h = left @ (w[0] + 1j * w[1]) @ np.swapaxes(right, -1, -2) / np.sqrt(2)
    return h.astype("complex64")


def scm_covariances(rng, size: int, paths: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of base station (64) and mobile (16) of channels at random.

    C = C_transmit x C_receive, both Toeplitz, from Laplacian spectra around `paths`
    angles uniform in +-90 degrees with powers uniform and normalised, half-wavelength
    arrays (Neumann, Wiese, Utschick, "Learning the MMSE channel estimator", IEEE TSP
    2018, section VI; 3GPP TR 25.996).

    rng: of NumPy. Returns complex128 [size, 64, 64] and [size, 16, 16].
    """
    power = rng.random((size, paths))
    power /= power.sum(axis=1, keepdims=True)
    angles = rng.uniform(-90, 90, (2, size, paths))
    ends = zip((64, 16), (SPREAD_BASE, SPREAD_MOBILE), angles, strict=True)
    return tuple(_covariance(n, spread, angle, power) for n, spread, angle in ends)


@cache
def average_scm_covariances() -> tuple[np.ndarray, np.ndarray]:
    """`scm_covariances` averaged over all channels: complex128 [64, 64] and [16, 16].

    Angles of the two ends are independent and powers sum to one, so the covariance of
    all channels is the Kronecker product of these.
    """
    angles = (np.arange(-90, 90, ANGLE_STEP) + ANGLE_STEP / 2)[:, None]
    power = np.ones_like(angles)
    ends = zip((64, 16), (SPREAD_BASE, SPREAD_MOBILE), strict=True)
    return tuple(np.mean(_covariance(*end, angles, power), axis=0) for end in ends)


def _covariance(antennas: int, spread: float, angles, power) -> np.ndarray:
    """[size, antennas, antennas], from the Fourier transform of the power spectrum."""
    points = OVERSAMPLING * antennas
    u = (np.arange(points) + 1 / 3) / points * 2 * np.pi - np.pi
    theta = np.degrees(np.arcsin(u / np.pi))
    spectrum = np.zeros((len(angles), points))
    for direction in (theta, 180 - theta):
        for k in range(angles.shape[1]):
            turn = (direction - angles[:, k, None] + 180) % 360 - 180
            spectrum += power[:, k, None] * np.exp(-np.sqrt(2) * np.abs(turn) / spread)
    spectrum /= np.sqrt(np.pi**2 - u**2)
    lags = np.fft.fft(np.fft.ifftshift(spectrum, axes=-1), axis=-1)[:, :antennas]
    lags /= lags[:, :1]
    gap = np.subtract.outer(np.arange(antennas), np.arange(antennas))
    return np.where(gap >= 0, lags[:, np.abs(gap)], lags[:, np.abs(gap)].conj())


def received(rng: np.random.Generator, y: np.ndarray, no: float) -> np.ndarray:
    """`y` with complex white noise of variance `no` per element, complex64."""
    n = rng.standard_normal((2, *y.shape), "float32") * np.float32(np.sqrt(no / 2))
    return y + n[0] + 1j * n[1]


def draw_clusters(rng, size: int, clusters: int = 20, rays: int = 20) -> np.ndarray:
    """16 x 64 channels of clusters of rays at random, of no standard in particular.

    1 to `clusters` clusters, uniform in spatial frequency at both ends, with powers
    exponential over a range of up to 20 dB; rays of a cluster have Laplacian offsets
    whose scales are log-uniform, 0.001 to 0.05 turns per antenna, at either end.
    """

    def waves(antennas):
        centre, scale = rng.random((2, size, clusters, 1))
        scale = 0.001 * 50**scale
        turns = centre + scale * rng.laplace(size=(size, clusters, rays))
        phase = turns.reshape(size, 1, -1) * np.arange(antennas)[:, None]
        return np.exp(2j * np.pi * phase).astype("complex64")

    number = rng.integers(1, clusters + 1, (size, 1))
    power = 10.0 ** (-2 * rng.random((size, 1)) * rng.random((size, clusters)))
    power = np.where(np.arange(clusters) < number, power, 0)
    power /= rays * power.sum(axis=1, keepdims=True)
    gain = np.repeat(np.sqrt(power), rays, axis=1)[:, None].astype("complex64")
    turns = rng.random((size, 1, clusters * rays))
    phase = np.exp(2j * np.pi * turns).astype("complex64")
    receive, transmit = waves(16), waves(64)
    return (receive * (gain * phase)) @ np.swapaxes(transmit, -1, -2)


def draw_cdl(profile: str, seed: int, size: int) -> np.ndarray:
    """Flat-fading channels of a CDL profile of 3GPP TR 38.901, 16 x 64 antennas.

    Vertical arrays, 40 GHz, delay spread 30 ns, as in Arvinte and Tamir, "MIMO channel
    estimation using score-based generative models", IEEE TWC 2023. The response at the
    carrier itself, with a common phase at random.
    """
    draw, scale = _cdl(profile), cdl_scale(profile)
    config.seed = seed  # after the scale, which may draw channels itself
    h = np.concatenate([draw().numpy() for _ in range(-(-size // CHUNK))])[:size]
    turn = np.random.default_rng(seed).random((size, 1, 1))
    return (h * np.exp(2j * np.pi * turn) / scale).astype("complex64")


@cache
def cdl_scale(profile: str) -> float:
    """Root mean square of a profile's channels, over 10,000 of them."""
    config.seed = 0
    draw = _cdl(profile)
    return float(np.sqrt(np.mean([np.mean(np.abs(draw()) ** 2) for _ in range(100)])))


@cache
def _cdl(profile: str):
    def array(antennas, pattern):
        return AntennaArray(antennas, 1, "single", "V", pattern, CARRIER)

    model = CDL(
        profile,
        DELAY_SPREAD,
        CARRIER,
        array(16, "omni"),
        array(64, "38.901"),
        "downlink",
    )

    @tf.function(jit_compile=True)
    def draw():
        a, _ = model(CHUNK, 1, 1.0)
        return tf.reduce_sum(a[:, 0, :, 0, :, :, 0], axis=-1)

    return draw


def dft_pilots(rng, size: int, alpha: float) -> np.ndarray:
    """Orthonormal pilots of 16 antennas, one for each (alpha 1)."""
    return fourier_pilots(size, 16) / 4


def fourier_pilots(size: int, antennas: int) -> np.ndarray:
    """Orthogonal pilots of magnitude 1, one for each antenna."""
    n = np.arange(antennas)
    pilots = np.exp(-2j * np.pi * np.outer(n, n) / antennas).astype("complex64")
    return np.broadcast_to(pilots, (size, antennas, antennas))


def chirped(pilots: np.ndarray) -> np.ndarray:
    """Fourier pilots turned by a chirp over the antennas, so that each sees all angles.

    Fourier pilots are beams of one angle each; these remain orthogonal (Chu 1972).
    """
    n = np.arange(pilots.shape[1])
    chirp = np.exp(1j * np.pi * n**2 / len(n)).astype("complex64")
    return pilots * chirp[:, None]


def qpsk_pilots(rng, size: int, alpha: float, antennas: int = 64) -> np.ndarray:
    """Random QPSK pilots of the antennas, drawn for each channel."""
    bits = rng.integers(0, 2, (2, size, antennas, int(alpha * antennas))) * 2 - 1
    return ((bits[0] + 1j * bits[1]) / np.sqrt(2)).astype("complex64")


ENSEMBLES = {
    "scm": Ensemble((64, 16), draw_scm, dft_pilots, 1.0),
    **{
        f"cdl-{p}": Ensemble((16, 64), partial(draw_cdl, p.upper()), qpsk_pilots, 64.0)
        for p in "abcd"
    },
}
