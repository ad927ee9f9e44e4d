"""How like two sets of channels are, and whether one repeats the other."""

import numpy as np

COMPARED = 1000
"""Channels of each set that are compared, at most."""


def likeness(h: np.ndarray, examples: np.ndarray) -> dict[str, float]:
    """Distances of channels from examples, and of the examples' halves from each other.

    h, examples : complex [channels, length_1, length_2]

    Returns by name: energy per element of both; the distance of their mean angular
    spectra, sum |p - q| / 2 of spectra of sum 1; the kernel distance of the angular
    spectra of single channels (Gretton et al., JMLR 13, 2012, eq. 3, with a Gaussian
    kernel as wide as the median distance), whose expectation is 0 for independent
    channels of one distribution; and the median over channels of the largest cosine
    similarity to an example, which nears 1 where examples are repeated. Of a single
    channel there is the energy alone.
    """
    h, examples = h[:COMPARED], examples[:COMPARED]
    half = len(examples) // 2
    halves = examples[:half], examples[half:]
    facts = {
        "energy": float(np.mean(np.abs(h) ** 2)),
        "energy of the examples": float(np.mean(np.abs(examples) ** 2)),
    }
    measures = {
        "distance of mean angular spectra": spectral_distance,
        "kernel distance of angular spectra": kernel_distance,
        "cosine similarity to the nearest example": nearest_similarity,
    }
    if min(len(h), len(examples)) < 2:
        return facts
    for name, measure in measures.items():
        facts[name] = measure(h, examples)
        if half > 1:
            facts[f"{name}, halves of the examples"] = measure(*halves)
    return facts


def spectral_distance(h: np.ndarray, examples: np.ndarray) -> float:
    """Total variation between mean angular power spectra, 0 to 1; see `likeness`."""
    p, q = (np.mean(_spectra(x), axis=0) for x in (h, examples))
    return float(np.sum(np.abs(p / p.sum() - q / q.sum())) / 2)


def kernel_distance(h: np.ndarray, examples: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of angular spectra; see `likeness`."""
    x, y = _spectra(h), _spectra(examples)
    within, beside, between = (_squares(*pair) for pair in ((x, x), (y, y), (x, y)))
    width = np.median(between)
    means = []
    for squares in (within, beside):
        kernel = np.exp(-squares / width)
        n = len(kernel)
        means.append((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))
    return float(sum(means) - 2 * np.mean(np.exp(-between / width)))


def nearest_similarity(h: np.ndarray, examples: np.ndarray) -> float:
    """Median over h of max |h^H e| / (|h| |e|) over the examples; see `likeness`."""
    x, y = (z.reshape(len(z), -1) for z in (h, examples))
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    return float(np.median(np.max(np.abs(x.conj() @ y.T), axis=1)))


def _spectra(h: np.ndarray) -> np.ndarray:
    """Of each channel over both angles, of sum 1: [channels, length_1 length_2]."""
    power = np.abs(np.fft.fft2(h)).reshape(len(h), -1) ** 2
    return power / np.sum(power, axis=1, keepdims=True)


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distances [len(x), len(y)]."""
    own, others = (np.sum(z**2, axis=1) for z in (x, y))
    return np.maximum(own[:, None] + others - 2 * x @ y.T, 0)
