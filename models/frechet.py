"""Distance of two Gaussians: how far restored images lie from real ones in features."""

import numpy as np

ROUNDING = 1e-12
"""Of a distance, as a share of both variances; less, or below 0, is none."""


def gaussian_distance(first, second) -> float:
    """Squared Fréchet distance of two Gaussians, each given as (mean, covariance).

        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

    (Heusel et al., "GANs trained by a two time-scale update rule", 2017, eq. 6). On
    what a classifier makes of images: the Fréchet classifier distance. Values depend
    on the classifier and the number of samples, and compare only where both agree.
    """
    (m1, c1), (m2, c2) = first, second
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    gap = m1 - m2
    spread = np.trace(c1) + np.trace(c2)
    distance = float(gap @ gap + spread - 2 * cross)
    return distance if distance > ROUNDING * spread else 0.0


def frechet_distance(features: np.ndarray, reference: np.ndarray) -> float:
    """`gaussian_distance` of two sets of features, [samples, dimension]."""
    moments = (
        (x.mean(0), np.cov(x.astype("float64"), rowvar=False))
        for x in (features, reference)
    )
    return gaussian_distance(*moments)
