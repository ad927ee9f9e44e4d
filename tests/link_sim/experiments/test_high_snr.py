"""Estimates of the same channels at ever higher SNR, and what is stated of them."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.experiments.link import Link
from link_sim.receivers.estimation.lmmse import ROUNDING
from link_sim.receivers.estimation.soundings import lattices
from link_sim.scenarios.loading import load_scenario

POINTS = [0, 20, 40, 50, 60, 70, 80, 100]
SINGLE = ["channel.model=tdl-a", "antennas.transmit=1", "antennas.streams=1",
          "antennas.receive=1", "antennas.polarisation=single"]  # fmt: skip


def decibels(error, h):
    return 10 * np.log10(np.sum(np.abs(error) ** 2) / np.sum(np.abs(h) ** 2))


def linear_estimate(lmmse, y, no):
    """The estimate of `lmmse` from y [batch, antennas, symbols, carriers], in double
    precision from its single covariances on, which hold no more than `ROUNDING`."""
    cov_time, *others = (np.asarray(c, "complex128") for c in lmmse.covariances)
    streams = []
    for (*places, pilots), power in zip(
        lattices(lmmse.resource_grid), lmmse.powers, strict=True
    ):
        values, x = np.ones(1), y.transpose(0, 2, 3, 1)
        x = x[:, places[0]][:, :, places[1]] / pilots[..., None]
        covs, back = (power * cov_time, *others), []
        for axis, (cov, place) in enumerate(
            zip(covs, (*places, np.arange(y.shape[1])), strict=True), 1
        ):
            found, vectors = np.linalg.eigh(cov[np.ix_(place, place)])
            values = np.multiply.outer(values, np.maximum(found, 0))
            x = np.moveaxis(np.tensordot(x, vectors.conj(), (axis, 0)), -1, axis)
            back.append(cov[:, place] @ vectors)
        noise = max(no / np.mean(np.abs(pilots) ** 2), ROUNDING * values.max())
        x = x / (values[0] + noise)
        for axis, matrix in enumerate(back, 1):
            x = np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)
        streams.append(x.transpose(0, 3, 1, 2))
    return np.stack(streams, 2)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [[], SINGLE], ids=["csi-link", "1x1 tdl-a"])
def test_error_in_the_link_never_rises_with_snr(settings):
    """Over the same four frames and noise at all points, up to 100 dB.

    Runs draw other frames at each point, of which one may have a path that pilots
    hardly tell. `lmmse` is what double precision gives. What is stated is 4 frames'
    error: of one path each they would have a standard deviation of a half.
    """
    names = "ls", "lmmse", "score"
    scenario = load_scenario("csi-link", ["batch_size=4", *settings])
    link = Link(scenario, list(names))
    found, exact = {name: [] for name in names}, []
    for db in POINTS:
        config.seed = 1
        no = tf.constant(10 ** (-db / 10), tf.float32)
        _, _, _, h, y = link.transmit(link.batch_images(0), no)
        h = link._remove_nulled(h).numpy()
        for receiver in link.receivers:
            h_hat, err_var = (z.numpy() for z in receiver.estimator(y, no))
            found[receiver.name].append(decibels(h_hat - h, h))
            if receiver.name == "ls":  # states the noise, not what it interpolates
                continue
            stated = np.mean(err_var) / np.mean(np.abs(h_hat - h) ** 2)
            assert 1 / 2.5 < stated < 2.5, (receiver.name, db, stated)
        lmmse = link.receivers[1].estimator
        plain = link._remove_nulled(y).numpy()[:, 0].astype("complex128")
        h_hat = linear_estimate(lmmse, plain, float(no))
        exact.append(decibels(h_hat - h[:, 0, :, 0], h))
    for name in names:
        assert np.all(np.diff(found[name]) < 0.05), (name, found[name])
    np.testing.assert_allclose(found["lmmse"], exact, atol=0.01)
