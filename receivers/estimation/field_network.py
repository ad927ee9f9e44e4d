"""Fields over antennas and carriers as a network of angles and delays takes them."""

import numpy as np
from keras import ops

PLACE = 100.0
"""Unit of places [m]."""


def turned_to_grid(h) -> np.ndarray:
    """Angles and delays of fields [batch, antennas, carriers]: float32, [..., 2].

    Discrete Fourier transforms of norm one, about the middle of the antennas and the
    carriers, so that a path has nearly one phase at all its angles and delays.
    """
    h = np.fft.ifftshift(h, axes=(1, 2))
    x = np.fft.ifft(np.fft.fft(h, axis=1, norm="ortho"), axis=2, norm="ortho")
    return np.stack([x.real, x.imag], axis=-1).astype("float32")


def turned_back(x) -> np.ndarray:
    """The inverse of `turned_to_grid`, complex128."""
    x = x[..., 0].astype("complex128") + 1j * x[..., 1]
    h = np.fft.ifft(np.fft.fft(x, axis=2, norm="ortho"), axis=1, norm="ortho")
    return np.fft.fftshift(h, axes=(1, 2))


def condition_of(places, sight) -> np.ndarray:
    """What `GatedField` is told of users: float32 [users, 4].

    places : [users, 2 or more] from the station [m]; sight : whether in line of sight,
        [users]
    """
    places = np.asarray(places)[:, :2] / PLACE
    known, sight = np.ones(len(places)), np.where(sight, 1, -1)
    return np.column_stack([places, known, sight]).astype("float32")


def posterior(network, y, no, condition=None):
    """Posterior mean of fields y in noise, [batch, antennas, carriers], and error.

    condition : of `condition_of`; nothing is known of users if `None`
    """
    if condition is None:
        condition = np.zeros((len(y), 4), "float32")
    sigma = np.full((len(y), 1, 1, 1), np.sqrt(no / 2), "float32")
    mean, err_var = network.posterior(turned_to_grid(y), sigma, condition)
    h_hat = turned_back(ops.convert_to_numpy(mean))
    return h_hat, ops.convert_to_numpy(err_var).astype("float64")[:, None, None]
