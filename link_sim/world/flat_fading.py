"""Symbols over MIMO channels without frequency: what a detector alone is given."""

import numpy as np

from link_sim.receivers.detection.symbols import pam


def rayleigh(rng, size: int, antennas: int, streams: int, correlation=0.0):
    """Channels [size, antennas, streams], complex64, columns of mean energy 1.

    correlation : rho, a number or one a channel, at the receiver: neighbours have
        rho^|i - j|, by the Cholesky factor of that matrix
    """
    h = gaussian(rng, size, antennas, streams) / np.sqrt(antennas)
    rho = np.broadcast_to(correlation, size).reshape(-1, 1, 1)
    if not np.any(rho):
        return h.astype("complex64")
    apart = np.subtract.outer(np.arange(antennas), np.arange(antennas))
    factor = np.where(apart >= 0, rho ** np.maximum(apart, 0), 0)
    factor[..., 1:] *= np.sqrt(1 - rho**2)
    return (factor @ h).astype("complex64")


def gaussian(rng, *shape):
    """Complex numbers of variance 1, without correlation."""
    return rng.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)


def noise_variance(snr_db, antennas: int, streams: int):
    """`no` at an SNR of E |H x|^2 / E |n|^2, for columns of mean energy 1."""
    return streams / antennas * 10 ** (-np.asarray(snr_db, float) / 10)


def flat_link(rng, size, antennas, streams, bits, snr_db, correlation=0.0):
    """Random symbols over `rayleigh` channels.

    bits : per symbol, of square QAM; snr_db : a number or one a vector

    Returns y [size, antennas] and h [size, antennas, streams], complex64, no [size, 1]
    and the indices of the levels sent, [size, 2 * streams], real parts first.
    """
    levels, _ = pam(bits)
    no = np.broadcast_to(noise_variance(snr_db, antennas, streams), size)[:, None]
    sent = rng.integers(0, len(levels), (size, 2 * streams))
    real, imag = np.split(levels[sent], 2, axis=1)
    h = rayleigh(rng, size, antennas, streams, correlation)
    y = (h @ (real + 1j * imag)[..., None])[..., 0]
    y = y + np.sqrt(no) * gaussian(rng, size, antennas)
    return y.astype("complex64"), h, no, sent


def symbol_bits(sent, labels):
    """Bits [size, streams, bits] of levels sent; labels [levels, bits / 2] as of `pam`.

    sent : [size, 2 * streams], indices of levels, real parts first
    """
    real, imag = np.split(labels[sent], 2, axis=1)
    return np.stack([real, imag], -1).reshape(*real.shape[:2], -1)
