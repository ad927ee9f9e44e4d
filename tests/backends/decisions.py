"""Decides a million bits by a detector and over a link, under the backend of Keras.

All draws are NumPy's. Argument: a file, to which the values are written whose signs are
the decisions: `amp-gnn`, LLRs of 16-QAM, and `score`, real and imaginary parts of QPSK
symbols behind the estimator and an LMMSE equaliser.
"""

import sys

import keras
import numpy as np
from blocks import grid, tensor

from link_sim.receivers import GraphAMPDetector, ScoreChannelEstimator

BITS = 10**6
RNG = np.random.default_rng(11)


def noise(*shape) -> np.ndarray:
    x = RNG.standard_normal((*shape, 2), "float32") @ np.array([1, 1j], "complex64")
    return x / np.float32(2**0.5)


def detected(antennas=6, streams=4, bits=4, no=0.05, batch=2500) -> np.ndarray:
    """LLRs of random symbols over fading that is independent of antenna and stream."""
    detector = GraphAMPDetector.from_preset("amp-gnn", bits)
    levels = np.array([-3, -1, 1, 3], "float32") / np.float32(10**0.5)
    s = np.broadcast_to(
        no * np.eye(antennas, dtype="complex64"), [batch, *2 * [antennas]]
    )
    found = []
    for _ in range(BITS // (batch * streams * bits)):
        h = noise(batch, antennas, streams)
        drawn = levels[RNG.integers(0, 4, [2, batch, streams, 1])]
        x = drawn[0] + np.complex64(1j) * drawn[1]
        y = (h @ x)[..., 0] + np.sqrt(np.float32(no)) * noise(batch, antennas)
        found.append(array(detector(*(tensor(z) for z in (y, h, s)))))
    return np.concatenate(found)


def over_a_link(no=0.1, batch=55) -> np.ndarray:
    """Equalised symbols of two streams at four antennas, the channel estimated."""
    resource_grid = grid()
    estimator = ScoreChannelEstimator.from_preset("csi-ofdm", resource_grid)
    carriers = np.asarray(resource_grid.effective_subcarrier_ind)
    sent = np.zeros([2, 14, 64], "complex64")
    pattern = resource_grid.pilot_pattern
    mask = np.asarray(pattern.mask)[0].astype(bool)
    sent[mask] = np.asarray(pattern.pilots).reshape(-1)
    data = ~mask[0]
    found = []
    for _ in range(-(-BITS // (batch * 4 * data.sum()))):
        h = _paths(batch)  # [batch, 4, 2, 64]
        x = np.broadcast_to(sent, [batch, *sent.shape]).copy()
        signs = RNG.choice(np.float32([-1, 1]), [2, batch, 2, data.sum()])
        x[:, :, data] = (signs[0] + 1j * signs[1]) / np.sqrt(2)
        y = np.zeros([batch, 1, 4, 14, 76], "complex64")
        y[:, 0][..., carriers] = np.einsum("bask,bstk->batk", h, x)
        y += np.sqrt(np.float32(no)) * noise(*y.shape)
        h_hat, err_var = (array(z)[:, 0, :, 0] for z in estimator(tensor(y), no))
        found.append(_equalised(y[:, 0][..., carriers], h_hat, err_var, no)[..., data])
    z = np.concatenate([part.ravel() for part in found])
    return np.stack([z.real, z.imag], -1)


def _paths(batch: int, paths=6) -> np.ndarray:
    """Channels of so many plane waves, [batch, antennas, streams, subcarriers]."""
    gains = noise(batch, 2, paths) / np.float32(paths**0.5)
    angles, delays = RNG.random([2, batch, paths]) * np.array([1, 0.3])[:, None, None]
    left = np.exp(2j * np.pi * angles[..., None] * np.arange(4))
    right = np.exp(-2j * np.pi * delays[..., None] * np.arange(64) / 8)
    return np.einsum("bsp,bpa,bpk->bask", gains, left, right).astype("complex64")


def _equalised(y, h_hat, err_var, no: float) -> np.ndarray:
    """LMMSE in double precision: [batch, streams, symbols, subcarriers]."""
    h = np.transpose(h_hat, [0, 3, 4, 1, 2]).astype("complex128")
    unknown = np.transpose(err_var, [0, 3, 4, 1, 2]).sum(-1) + no
    weighted = np.conj(np.swapaxes(h, -1, -2)) / unknown[..., None, :]
    seen = np.transpose(y, [0, 2, 3, 1])[..., None]
    x_hat = np.linalg.solve(weighted @ h + np.eye(2), weighted @ seen)[..., 0]
    return np.moveaxis(x_hat, -1, 1)


def array(x) -> np.ndarray:
    return keras.ops.convert_to_numpy(x)


if __name__ == "__main__":
    np.savez(sys.argv[1], **{"amp-gnn": detected(), "score": over_a_link()})
