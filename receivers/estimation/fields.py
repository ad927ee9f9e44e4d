"""Estimators of fields over antennas and carriers, y = h at some carriers + noise.

Each takes y, complex [batch, antennas, pilots], its noise variance `no`, and the
indices of the carriers with pilots, and returns h_hat, [batch, antennas, carriers], and
err_var, which broadcasts to it. Fields have a mean power of one.
"""

import numpy as np
from keras import ops

from link_sim.receivers.estimation.delay_windows import (
    delay_grid,
    delay_modes,
    delay_response,
)
from link_sim.receivers.estimation.gridless import (
    everywhere,
    field,
    find_paths,
    missed,
    places_of,
)
from link_sim.receivers.estimation.ofdm import angles_of

LEAST = 1e-3
"""Energy of a field over that of its noise that is believed at least."""
FEW = 16
"""Paths that `score_paths` takes out at most."""
DOUBTED, BELIEVED = 2.5, 3.0
"""Gain of what spectra say of the rest, over its variance: below the first it is left
out, above the second taken in full. With the covariance known, Stein's estimate of risk
asks for 2; more, since it is read off the same pilots."""


def least_squares(y, no, carriers, total: int):
    """What is seen, with straight lines between pilots and a constant beyond."""
    h_hat = np.empty((*y.shape[:2], total), complex)
    weights = np.stack(
        [np.interp(np.arange(total), carriers, row) for row in np.eye(len(carriers))]
    )
    h_hat[:] = y @ weights
    return h_hat, no * np.sum(weights**2, axis=0)


def score(denoiser, y, no, carriers, frequencies):
    """Posterior mean and variance under spectra that a `SpectralDenoiser` reads off.

    As `ScoreChannelEstimator` for a single stream and symbol, but the variance is that
    of the posterior alone: no power is added that spectra miss. frequencies [Hz] are
    those of all carriers.
    """
    no = np.broadcast_to(np.asarray(no, float), len(y))[:, None]
    known = denoiser, y[:, None], no, carriers, frequencies
    return tuple(z[:, 0] for z in snapshots(*known)[:2])


def snapshots(denoiser, y, no, carriers, frequencies):
    """The same of independent fields with spectra in common.

    y : complex [batch, snapshots, antennas, pilots]; no : [batch, snapshots]

    Returns mean and variance [batch, snapshots, antennas, carriers], and the power of
    the fields, [batch].
    """
    frequencies = frequencies - frequencies[carriers[0]]
    delays = delay_grid(frequencies[carriers])
    into, observed = delay_modes(delay_response(frequencies[carriers], delays), delays)
    least = np.min(no, axis=1)
    energy = np.mean(np.abs(y) ** 2, axis=(2, 3)) - no
    energy = np.sum(energy / no, axis=1) / np.sum(1 / no, axis=1)
    power = np.maximum(energy, LEAST * least)
    scale = np.sqrt(power)[:, None, None, None]
    x = (y / scale @ into).astype("complex64")
    sigma = np.sqrt(no / 2)[:, :, None, None, None] / scale[..., None]
    array = angles_of(denoiser, y.shape[2])
    mean, variance = denoiser.posterior(
        ops.view_as_real(ops.convert_to_tensor(x)),
        ops.convert_to_tensor(sigma.astype("float32")),
        (array.matrix, delay_response(frequencies, delays)),
        (array, observed),
    )
    mean, variance = map(ops.convert_to_numpy, (mean, variance))
    return mean * scale, variance * scale**2, power


def score_paths(denoiser, y, no, carriers, frequencies):
    """Few paths off the grid, then the posterior mean of what they leave.

    Where paths leave noise alone, spectra read into it what is not there: the rest
    counts as far as the fall of Stein's estimate of risk says (`DOUBTED`).
    """
    found, places = find_paths(y, no, FEW), places_of(y.shape[1:])
    share = 2 * found.number / y[0].size
    z = y - field(found, places)
    rest, variance = score(denoiser, z, no * (1 - share), carriers, frequencies)
    trust = trusted(z, rest[:, :, carriers], variance[:, :, carriers])[:, None, None]
    paths = everywhere(found, carriers, len(frequencies), y.shape[1])
    doubt = (1 - trust) * missed(z, no, share)[:, None, None]
    doubt += (no * share)[:, None, None]
    return paths + trust * rest, trust * variance + doubt


def trusted(z, mean, variance):
    """How far an estimate of z in noise lowers Stein's risk over doing nothing: 0 to 1.

    z, mean, variance : [batch, ...]. Returns [batch].
    """
    axes = tuple(range(1, z.ndim))
    gain = np.sum(2 * np.real(np.conj(z) * mean) - np.abs(mean) ** 2, axis=axes)
    gain /= np.sum(variance, axis=axes)
    return np.clip((gain - DOUBTED) / (BELIEVED - DOUBTED), 0, 1)


def lmmse(y, no, carriers, components):
    """Linear MMSE under a covariance of antennas times one of carriers, or a mixture.

    components : (weight, [antennas, antennas], [carriers, carriers]) each, in any
        number; of several, the MMSE estimate under the mixture of Gaussians
    """
    likelihoods, means, variances = [], [], []
    for weight, space, frequency in components:
        values, left = np.linalg.eigh(space)
        own, right = np.linalg.eigh(frequency[np.ix_(carriers, carriers)])
        back = frequency[:, carriers] @ right
        z = left.conj().T @ y @ right.conj()
        values = np.maximum(values, 0)[:, None]
        power = values * np.maximum(own, 0) + no
        fit = np.sum(np.abs(z) ** 2 / power, axis=(1, 2)) + np.sum(np.log(power))
        likelihoods.append(np.log(weight) - fit)
        means.append(left @ (values * z / power) @ back.T)
        prior = np.outer(np.diag(space).real, np.diag(frequency).real)
        loads = np.abs(left) ** 2, np.abs(back) ** 2
        variances.append(prior - loads[0] @ (values**2 / power) @ loads[1].T)
    p = np.exp(likelihoods - np.max(likelihoods, axis=0))
    p = (p / p.sum(axis=0))[:, :, None, None]
    mean = sum(p * means)
    spread = np.abs(means - mean) ** 2 + np.stack(variances)[:, None]
    return mean, np.sum(p * np.maximum(spread, 0), axis=0)


def nearest(y, no, carriers, examples):
    """The example that fits what is seen best but for a complex factor, times that.

    examples : complex [number, antennas, carriers]. The variance is the power of what
    is left of y over its noise.
    """
    seen = examples[:, :, carriers].reshape(len(examples), -1)
    pull, energy = y.reshape(len(y), -1) @ seen.conj().T, np.sum(np.abs(seen) ** 2, 1)
    energy = np.where(energy > 0, energy, np.inf)
    best = np.argmax(np.abs(pull) ** 2 / energy, axis=1)
    gain = pull[np.arange(len(y)), best] / energy[best]
    h_hat = gain[:, None, None] * examples[best]
    left = np.mean(np.abs(y - h_hat[:, :, carriers]) ** 2, axis=(1, 2)) - no
    return h_hat, np.maximum(left, no / y[0].size)[:, None, None]


def genie(y, no, carriers, powers, waves):
    """Linear MMSE that knows angle, delay and mean power of each path: a bound.

    powers : [batch, paths]; waves : of each path along both axes, complex [batch,
        paths, antennas] and [batch, paths, carriers]
    """
    seen = waves[0], waves[1][:, :, carriers]
    return known_paths(y, no, powers, seen, waves)


def known_paths(y, no, powers, seen, wanted):
    """Linear regression on waves of paths of known powers.

    seen, wanted : waves of the paths along both axes, where y is, [batch, paths, ...]
        each, and where its field is wanted
    """
    root = np.sqrt(powers)[..., None]
    (left, right), (first, second) = seen, wanted
    left, first = left * root, first * root
    gram = _inner(left) * _inner(right)
    inverse = np.linalg.inv(gram + no * np.eye(gram.shape[1]))
    pull = np.sum((left.conj() @ y) * right.conj(), axis=2, keepdims=True)
    gains = inverse @ pull
    inside = _inner(first) * _inner(second)
    size = first.shape[2] * second.shape[2]
    err_var = no * np.einsum("bij,bji->b", inverse, inside).real / size
    return np.swapaxes(first * gains, 1, 2) @ second, err_var[:, None, None]


def _inner(waves):
    return waves.conj() @ np.swapaxes(waves, 1, 2)
