"""What is to be had over UMi, by estimates that know delays and powers of paths."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.receivers.estimation.delay_windows import delay_response
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.receivers.estimation.ofdm import ScoreChannelEstimator
from link_sim.receivers.estimation.soundings import soundings
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel, covariances
from link_sim.world.impulse_responses import impulse_responses
from link_sim.world.transmitter import Transmitter

FRAMES, NO = 128, 1.0


def scenario(spacing, size):
    return load_scenario(
        "csi-link",
        [
            f"grid.subcarrier_spacing={spacing}", f"grid.fft_size={size}",
            "grid.guard_carriers=[2, 1]", "grid.symbols=6", "grid.pilot_symbols=[1, 4]",
        ],
    )  # fmt: skip


def drops(own, f):
    """Gains [frames, streams, polarisations, antennas, paths] and turns [frames, paths,
    carriers] of standing users, for unit energy of each frame's channel."""
    config.seed = 3
    a, tau = (z.numpy() for z in impulse_responses(own, 1)(FRAMES, 1, 1.0))
    a = a[:, 0, :, 0, :, :, 0].reshape(FRAMES, 4, 2, 2, -1).transpose(0, 3, 2, 1, 4)
    turns = delay_response(f, tau[:, 0, 0, None]).swapaxes(1, 2)
    energy = np.mean(np.abs(a @ turns[:, None, None]) ** 2, axis=(1, 2, 3, 4))
    return a / np.sqrt(energy)[:, None, None, None, None], turns


def known(y, a, turns, stream, carriers, no):
    """Wiener estimates of a stream on all carriers from noisy channels y [frames,
    polarisations, antennas, pilots]: by the product of each frame's covariances over
    antennas and carriers, and the power of each polarisation."""
    powers = np.mean(np.abs(a) ** 2, axis=(1, 2, 3))
    total = powers.sum(axis=1)[:, None, None]
    shares = np.mean(np.abs(a) ** 2, axis=3).sum(axis=3) / total
    first = np.einsum("bsqap,bsqcp->bac", a, a.conj()) / (4 * total)
    loads = turns.swapaxes(1, 2) * np.sqrt(powers)[:, None]
    seen = loads[:, carriers]
    (along, left), (across, right) = (
        np.linalg.eigh(c) for c in (first, seen @ seen.conj().swapaxes(1, 2))
    )
    back = loads @ seen.conj().swapaxes(1, 2) @ right
    prior = np.einsum("bq,bx->bqx", shares[:, stream], along)[..., None]
    z = np.einsum("bax,bqaf,bfk->bqxk", left.conj(), y, right.conj(), optimize=True)
    z = z * prior / (prior * across[:, None, None] + no)
    return np.einsum("bax,bqxk,bfk->bqaf", left, z, back, optimize=True)


def nmse_db(h_hat, h):
    return 10 * np.log10(np.sum(np.abs(h_hat - h) ** 2) / np.sum(np.abs(h) ** 2))


@pytest.mark.slow
def test_ten_megahertz_leave_less_than_five_decibels():
    """At 0 dB: `score` is within 1 dB of the estimate that knows all paths, and this is
    less than 5 dB better than `lmmse`."""
    own = scenario(60e3, 168)
    transmitter = Transmitter(own, (28, 28, 1))
    grid, rng = transmitter.resource_grid, np.random.default_rng(1)
    places = np.asarray(grid.effective_subcarrier_ind)
    a, turns = drops(own, 60e3 * (places - places[0]))
    h = a @ turns[:, None, None] / np.sqrt(2)  # [frame, stream, polarisation, ...]
    (sounding,) = soundings(grid)
    sent = np.zeros((2, grid.num_ofdm_symbols, len(places)), "complex64")
    for stream, c, p in zip(
        range(2), sounding.carriers[..., 0], sounding.pilots[..., 0], strict=True
    ):
        sent[stream][np.ix_(sounding.times, c)] = p
    clean = np.einsum("bsqaf,stf->baqtf", h, sent)
    noise = rng.standard_normal((*clean.shape, 2)) @ [1, 1j] * np.sqrt(NO / 2)
    y = np.zeros((*clean.shape[:-1], grid.fft_size), "complex64")
    y[..., places] = clean + noise
    received = tf.constant(y.reshape(FRAMES, 1, 8, *y.shape[3:]))
    draw = tf.function(Channel(own), autograph=False)
    remove_nulled = RemoveNulledSubcarriers(grid)
    estimators = {
        "lmmse": LMMSEChannelEstimator(
            grid, *covariances(lambda n: remove_nulled(draw(n)))
        ),
        "score": ScoreChannelEstimator.from_preset(
            "csi-ofdm", grid, polarisations=2, doppler=transmitter.doppler
        ),
    }
    true = h.transpose(0, 3, 2, 1, 4).reshape(FRAMES, 8, 2, -1)
    found = {
        name: nmse_db(f(received, np.float32(NO))[0].numpy()[:, 0, :, 0, :, 3], true)
        for name, f in estimators.items()
    }
    h_hat = np.zeros_like(h)
    for stream, c in enumerate(sounding.carriers[..., 0]):
        seen = y[..., places][:, :, :, sounding.times][..., c]
        pilots = sounding.pilots[stream][..., 0]
        energy = np.sum(np.abs(pilots) ** 2, axis=0)
        h_ls = np.sum(seen * pilots.conj(), axis=3) / energy
        h_ls = np.sqrt(2) * h_ls.transpose(0, 2, 1, 3)
        h_hat[:, stream] = known(h_ls, a, turns, stream, c, 2 * NO / energy[0])
    found["known"] = nmse_db(h_hat / np.sqrt(2), h)
    assert found["score"] < found["known"] + 1, found
    assert found["lmmse"] - 5 < found["known"] < found["score"], found
