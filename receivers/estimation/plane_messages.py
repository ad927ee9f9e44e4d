"""Channels of planes of antennas by message passing around a learned denoiser."""

import numpy as np
from keras import ops

from link_sim.receivers.estimation.linear_soundings import refuse_unseen

ROUNDS = 20
"""At most, of two evaluations each."""
STILL = 1e-3
"""Change of the estimate, over its error, at which the rounds end."""
PROBE = 0.05
"""Step by which responses are measured, over the noise."""
LEAST, MOST = 1e-4, 0.98
"""Of the share of its noise that a denoiser leaves."""


def plane_vamp(denoiser, y, m, no):
    """The posterior mean under the prior of a denoiser of fields, and its variance.

    The linear MMSE estimate under a white prior and the denoiser in turns, each given
    only what the other adds: vector approximate message passing (Rangan, Schniter and
    Fletcher, IEEE TIT 2019, algorithm 3), with the denoiser's response measured along
    random signs. Rounds end at the fixed point; `fixed_point` tells how fast they come
    there.

    denoiser : (x, sigma) -> estimates like x, [batch, side, side, 2], of unit power
    y : [batch, measurements, snapshots]; m : [measurements, antennas]; no : variance

    Returns h_hat [batch, antennas, snapshots] and err_var [batch, 1, 1]. Raises
    `ValueError` for combiners that leave an antenna unseen, and without a noise level.
    """
    h_hat, err_var, _ = fixed_point(denoiser, y, m, no)
    return h_hat, err_var


def fixed_point(denoiser, y, m, no):
    """As `plane_vamp`, and the largest change of an estimate over its error, [rounds].

    Each channel ends its rounds by itself.
    """
    refuse_unseen(m)
    if no is None or not no > 0:
        raise ValueError(f"no = {no}: state the noise variance of a measurement")
    signs = np.random.default_rng(0).choice([-1, 1], (2, m.shape[1])) / np.sqrt(2)
    signs = signs[0] + 1j * signs[1]  # the same always: else there is no fixed point
    batch, _, snapshots = y.shape
    turns, powers, modes = np.linalg.svd(m, full_matrices=False)
    seen = np.moveaxis(y, 2, 1).reshape(batch * snapshots, -1) @ turns.conj()
    h_hat = np.zeros((len(seen), m.shape[1]), complex)
    prior, variance, error = h_hat.copy(), np.ones((len(seen), 1)), np.ones(len(seen))
    moving, gaps = np.arange(len(seen)), []
    while len(moving) and len(gaps) < ROUNDS:
        before, v = prior[moving], variance[moving]
        gain = v * powers / (v * powers**2 + no)
        x = before + gain * (seen[moving] - powers * (before @ modes.T)) @ modes.conj()
        told = np.sum(gain * powers, axis=1, keepdims=True) / m.shape[1]
        x, level = _extrinsic(x, np.clip(1 - told, LEAST, 1), before, v)
        new = _denoised(denoiser, x, level)
        share = _response(denoiser, x, level, new, signs)
        prior[moving], variance[moving] = _extrinsic(new, share, x, level)
        error[moving] = (level * share)[:, 0]
        gap = np.mean(np.abs(new - h_hat[moving]) ** 2, axis=1) / error[moving]
        h_hat[moving] = new
        gaps.append(float(np.sqrt(gap.max())))
        moving = moving[np.sqrt(gap) > STILL]
    h_hat = np.moveaxis(h_hat.reshape(batch, snapshots, -1), 1, 2)
    err_var = error.reshape(batch, snapshots).mean(axis=1)[:, None, None]
    return h_hat, err_var, np.array(gaps)


def _extrinsic(mean, share, prior, variance):
    """What an estimate adds to the message it was given, of whose variance it leaves
    a share: mean and variance."""
    return (mean - share * prior) / (1 - share), variance * share / (1 - share)


def _response(denoiser, x, level, h_hat, signs):
    """Share of the noise of x that the denoiser leaves, [batch, 1]."""
    step = PROBE * np.sqrt(level)
    moved = _denoised(denoiser, x + step * signs, level) - h_hat
    share = np.mean(np.real(signs.conj() * moved), axis=1, keepdims=True) / step
    return np.clip(share, LEAST, MOST)


def _denoised(denoiser, x, level):
    side = round(x.shape[1] ** 0.5)
    fields = np.stack([x.real, x.imag], axis=-1).reshape(-1, side, side, 2)
    sigma = np.sqrt(level / 2).astype("float32").reshape(-1, 1, 1, 1)
    found = ops.convert_to_numpy(denoiser(fields.astype("float32"), sigma))
    found = found.reshape(*x.shape, 2)
    return found[..., 0] + 1j * found[..., 1]
