"""The angle spectrum of a MIMO channel over both ends at once, read off what is told.

    h = vec(H) ~ CN(0, F diag(p) F^H),   b = G h + n,   n ~ CN(0, G)

with F the responses of both arrays on a grid of pairs of angles, the second end the
faster index, and G = I x (Gram matrix of the symbols sent, over the noise variance).
Paths join angles of both ends: the covariance is no Kronecker product.
"""

import numpy as np
from keras import ops

from link_sim.models import kronecker
from link_sim.models.spectral import array_response

FINENESS = 3
"""Points of a grid per antenna."""
UPDATES = 6
"""Few, so that one noisy channel does not make its spectrum a handful of lines."""
VISIBLE, HIDDEN = 0.45, 1e-3
"""Spatial frequencies that waves come from, in turns per antenna, and the share of
their power that is expected of the others before anything is seen."""


class JointSpectrum:
    """The covariance of vec(H) under the spectrum that pilots and symbols betray.

    From what is expected of any channel, `UPDATES` times

        p <- p (q / t)^(1/2),   q = |f^H z|^2, z = (I + G C)^-1 b,
                                t = f^H M f,   M = (I + G C)^-1 G,

    which never lower the likelihood (see `wavenumber_spectrum`). The covariance is a
    function of lags, and so is all that a spectrum is told by.

    Args:
        lengths: Antennas of both ends, uniform linear arrays.

    Call arguments:
        gram: complex [batch, length_2, length_2], of the symbols, over the noise.
        matched: complex [batch, length_1, length_2], what is received of them.

    Returns the covariance, complex128 [batch, n, n] with n = length_1 * length_2.
    """

    def __init__(self, lengths):
        self.lengths = tuple(lengths)
        points = [FINENESS * n for n in lengths]
        ends = [array_response(*z) for z in zip(lengths, points, strict=True)]
        self._responses = np.kron(*ends).astype("complex128")
        self._lags, apart = _lags(self.lengths)
        turns = np.meshgrid(*(np.arange(n) / n for n in points), indexing="ij")
        phase = apart @ np.reshape(turns, (2, -1))
        self._waves = np.exp(2j * np.pi * phase)  # [lags, grid]
        self._in_lag = np.eye(len(apart))[self._lags.ravel()].astype("complex128")
        seen = [abs((np.arange(n) / n + 0.5) % 1 - 0.5) <= VISIBLE for n in points]
        start = np.where(seen[0][:, None] & seen[1], 1.0, HIDDEN).ravel()
        self._start = start / start.sum()

    def __call__(self, gram, matched):
        gram, b = stacked(gram, matched)
        p = ops.zeros_like(ops.real(b[:, :1, 0])) + self._start
        for _ in range(UPDATES):
            p = self._updated(p, gram, b)
        return self._covariance(p)

    def _covariance(self, p):
        lags = kronecker.double(kronecker.as_complex(p)) @ np.transpose(self._waves)
        size = self.lengths[0] * self.lengths[1]
        return ops.reshape(ops.take(lags, self._lags.ravel(), axis=1), (-1, size, size))

    def _updated(self, p, gram, b):
        size = gram.shape[-1]
        mixed = np.eye(size) + gram @ self._covariance(p)
        solved = ops.linalg.solve(mixed, ops.concatenate([gram, b], axis=2))
        m = ops.reshape(solved[:, :, :size], (-1, size * size)) @ self._in_lag
        traces = ops.real(m @ np.conj(self._waves))
        z = np.conj(self._responses.T) @ solved[:, :, size:]
        quadratics = kronecker.square(z)[:, :, 0]
        return p * ops.sqrt(quadratics / ops.maximum(traces, 1e-30))


def stacked(gram, matched):
    """What is told of vec(H): G [batch, n, n] and b [batch, n, 1], complex128."""
    gram, b = kronecker.double(gram), kronecker.double(matched)
    antennas, streams = b.shape[1:]
    size = antennas * streams
    eye = np.eye(antennas)[:, None, :, None]
    gram = ops.reshape(eye * gram[:, None, :, None], (-1, size, size))
    return gram, ops.reshape(b, (-1, size, 1))


def _lags(lengths) -> tuple[np.ndarray, np.ndarray]:
    """Of all pairs of elements [n, n], which lag it is, and the lags [lags, 2]."""
    place = np.stack(np.meshgrid(*map(np.arange, lengths), indexing="ij"), axis=-1)
    place = place.reshape(-1, 2)
    apart = (place[:, None] - place).reshape(-1, 2)
    lags, index = np.unique(apart, axis=0, return_inverse=True)
    return index.reshape(len(place), len(place)), lags
