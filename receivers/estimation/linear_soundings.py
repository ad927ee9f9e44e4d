"""Linear estimators of y = M h + n: least squares and LMMSE.

Each is a function `estimator(y, m, no, ...) -> h_hat, err_var`:

    y : complex [batch, measurements, snapshots], noise variance `no` per element
    m : [measurements, antennas] or [batch, measurements, antennas]
    h_hat : complex [batch, antennas, snapshots]
    err_var : [batch, 1, 1], variance of the error per complex element

Channels have unit mean power per antenna.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve


def least_squares(y, m, no):
    """`M^+ y`, of minimum norm where there are fewer measurements than antennas."""
    refuse_unseen(m)
    inverse = np.linalg.pinv(m)
    antennas, rank = inverse.shape[-2], min(inverse.shape[-2:])
    err_var = no * np.sum(np.abs(inverse) ** 2, axis=(-2, -1)) / antennas
    err_var = np.broadcast_to(err_var + 1 - rank / antennas, len(y))
    return inverse @ y, err_var[:, None, None]


def lmmse(y, m, no, covariance):
    """The exact estimate of a Gaussian channel, `C M^H (M C M^H + no I)^-1 y`.

    covariance: of h, [antennas, antennas]. One inverse for all where m is shared.
    """
    if m.ndim == 2:
        h_hat, err_var = _lmmse(np.moveaxis(y, 0, 1), m, no, covariance)
        return np.moveaxis(h_hat, 1, 0), np.full((len(y), 1, 1), err_var)
    pairs = [_lmmse(y_i, m_i, no, covariance) for y_i, m_i in zip(y, m, strict=True)]
    h_hat, err_var = map(np.stack, zip(*pairs, strict=True))
    return h_hat, err_var[:, None, None]


def refuse_unseen(m) -> None:
    """ValueError if some antenna reaches no measurement."""
    unseen = np.flatnonzero(~np.any(np.asarray(m) != 0, axis=tuple(range(m.ndim - 1))))
    if len(unseen):
        raise ValueError(
            f"the combiner leaves antenna {unseen[0]} unseen ({len(unseen)} in all): "
            "give each antenna a weight in some measurement"
        )


def stated_error(m, no, covariance, true) -> float:
    """Error per element of `lmmse` with one covariance where another is true.

    For channels of covariance `true` and one combiner m [measurements, antennas].
    """
    gain = _gain(m, no, covariance)[0]
    seen = true @ m.conj().T
    error = np.trace(true) - 2 * np.trace(gain @ seen.conj().T)
    error += np.sum((gain @ (m @ seen)) * gain.conj())
    return float(np.real(error) + no * np.sum(np.abs(gain) ** 2)) / len(true)


def sample_covariance(y, m, no):
    """Of channels, from their least squares estimates less the noise's share.

    With fewer measurements than antennas the estimates see a part of every channel at
    a time, and the share seen of their energy is made up for.
    """
    inverse = np.linalg.pinv(m)
    h = inverse @ y
    antennas, snapshots = h.shape[1], h.shape[0] * h.shape[2]
    flat = np.moveaxis(h, 1, 0).reshape(antennas, -1)
    noise = inverse @ np.conj(np.swapaxes(inverse, -1, -2))
    noise = no * (noise if m.ndim == 2 else np.mean(noise, axis=0))
    values, vectors = np.linalg.eigh(flat @ flat.conj().T / snapshots - noise)
    share = min(m.shape[-2:]) / antennas
    return (vectors * np.maximum(values, 0)) @ vectors.conj().T / share


def _gain(m, no, covariance):
    """The estimator's matrix and `C M^H`."""
    cross = covariance @ m.conj().T
    inner = m @ cross + no * np.eye(len(m))
    factor = cho_factor(inner, lower=True, check_finite=False)
    return cho_solve(factor, cross.conj().T, check_finite=False).conj().T, cross


def _lmmse(y, m, no, covariance):
    gain, cross = _gain(m, no, covariance)
    left = np.trace(covariance) - np.sum(gain * cross.conj())
    shape = y.shape
    h_hat = gain @ y.reshape(shape[0], -1)
    return h_hat.reshape(-1, *shape[1:]), float(np.real(left)) / len(covariance)
