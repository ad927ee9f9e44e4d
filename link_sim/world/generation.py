"""Channels drawn from a spectral prior, like the examples that it is shown."""

from collections.abc import Callable

import numpy as np
from keras import ops

from link_sim.models.pretrained import load_model
from link_sim.models.spectral import SpectralDenoiser
from link_sim.scenarios.base import ScenarioError
from link_sim.world.ensembles import draw_clusters, draw_scm, fading

SHOWN_DB = 30.0
"""Energy of an example over the noise with which its spectra are read."""
AT_ONCE = 64
"""Examples whose spectra are read together."""


def _clusters(seed: int, size: int) -> np.ndarray:
    return draw_clusters(np.random.default_rng(seed), size)


PRIORS: dict[str, Callable] = {"csi-scm": draw_scm, "csi-clusters": _clusters}
"""Shipped priors, each with the ensemble that it has learned from: (seed, size) -> h,
complex64 [size, length_1, length_2]."""


def generate(
    prior: str, number: int, seed: int = 1, like: np.ndarray | None = None
) -> np.ndarray:
    """Channels of a prior, each with the spectra of an example of its own.

    Given the spectra of both ends the prior is Gaussian. These are read off examples,
    as an estimator reads them off its observation, and a channel is drawn with each:
    its gains are new, its directions are such as they occur.

    prior : a name in `PRIORS`
    number : of channels
    like : examples of one's own, complex [examples, length_1, length_2]; those of the
        ensemble that the prior has learned from if `None`

    Returns complex64 [number, length_1, length_2], with the mean energy of the
    examples. Raises `ScenarioError` for a prior that is not there, and for examples
    that it does not serve.
    """
    if prior not in PRIORS:
        raise ScenarioError(
            f"there is no prior '{prior}' to draw from: use one of {', '.join(PRIORS)}"
        )
    if number < 1:
        raise ScenarioError(f"{number} channels are none: ask for 1 or more")
    if like is None:
        like = PRIORS[prior](seed, number)
    order = (0, 1, 2) if like.shape[1] >= like.shape[2] else (0, 2, 1)
    like = like.transpose(order)  # the first axis of a prior is that of more antennas
    denoiser = _fitting(prior, like.shape[1:])
    return _drawn(denoiser, like, number, seed).transpose(order)


def _drawn(denoiser, like: np.ndarray, number: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])  # another stream than that of the examples
    ends = covariances(denoiser, like)
    shown = np.resize(rng.permutation(len(like)), number)
    parts = np.array_split(shown, -(-number // AT_ONCE))
    h = np.concatenate([fading(rng, *(end[p] for end in ends)) for p in parts])
    return h * np.float32(np.sqrt(_energy(like) / _energy_of(ends)))


def covariances(denoiser: SpectralDenoiser, h: np.ndarray) -> list[np.ndarray]:
    """Of both ends of each channel, from the spectra that a denoiser reads off it.

    h : complex [examples, length_1, length_2]

    Returns complex128 [examples, n, n] of either end, whose Kronecker product is that
    of a channel but for a factor near 1, the same for all of them on average.
    """
    parts = np.array_split(h, -(-len(h) // AT_ONCE))
    found = [_covariances(denoiser, part) for part in parts]
    return [np.concatenate(end) for end in zip(*found, strict=True)]


def _covariances(denoiser, h: np.ndarray) -> list[np.ndarray]:
    energy = _energy(h, axis=(1, 2))
    sigma = np.sqrt(energy * 10 ** (-SHOWN_DB / 10) / 2).astype("float32")
    x = np.stack([h.real, h.imag], axis=-1)[:, None].astype("float32")
    spectra = denoiser.spectra(x, sigma[:, None, None, None, None])
    pairs = zip(denoiser.responses, map(ops.convert_to_numpy, spectra), strict=True)
    return [(f * p[:, None].astype("float64")) @ f.conj().T for f, p in pairs]


def _energy(h: np.ndarray, axis=None) -> np.ndarray:
    return np.mean(np.abs(h) ** 2, axis=axis)


def _energy_of(ends: list[np.ndarray]) -> np.ndarray:
    """Mean energy per element of channels with these covariances of their ends."""
    first, second = (np.einsum("bii->b", end).real / end.shape[-1] for end in ends)
    return np.mean(first * second)


def _fitting(prior: str, lengths: tuple[int, ...]) -> SpectralDenoiser:
    """The denoiser of a prior for arrays of these lengths."""
    try:
        return load_model(prior).resized(lengths)
    except ValueError as error:
        raise ScenarioError(f"{prior}: {error}") from None
