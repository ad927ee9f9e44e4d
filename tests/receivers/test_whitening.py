"""Coloured noise: its covariance from pilots, and blocks for white noise behind it."""

import json

import keras
import numpy as np
import pytest

from link_sim.receivers.detection.linear import LinearDetector
from link_sim.receivers.estimation.least_squares import LSChannelEstimator
from link_sim.receivers.estimation.noise_covariance import NoiseCovariance
from link_sim.receivers.whitening import WhitenedDetector, WhitenedEstimator
from link_sim.scenarios.sections import Grid
from link_sim.world.resource_grid import resource_grid

pytestmark = pytest.mark.usefixtures("eager")

GRID = Grid(fft_size=64, cyclic_prefix=5, guard_carriers=(2, 1), dc_null=True)
ANTENNAS, STREAMS, NO = 4, 2, 0.1


def gaussian(rng, *shape):
    return rng.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)


def world(frames, power, seed=0):
    """Channels of paths within the prefix, what is received of pilots alone beside an
    interferer of such power in all else, and the true covariance [frames, m, m]."""
    rng, grid = np.random.default_rng(seed), resource_grid(GRID, STREAMS)
    places = np.array(grid.effective_subcarrier_ind) - 32
    delays = rng.uniform(0, 5 / 64, (frames, 1, 1, 6))
    turns = np.exp(-2j * np.pi * places[:, None] * delays[..., None, :])
    gains = gaussian(rng, frames, ANTENNAS, STREAMS, 6) / np.sqrt(6)
    h = np.einsum("fasp,fxyup->fasu", gains, turns)
    mask = np.asarray(grid.pilot_pattern.mask)[0] == 1
    sent = np.zeros(mask.shape, complex)
    sent[mask] = np.asarray(grid.pilot_pattern.pilots)[0].ravel()
    a = gaussian(rng, frames, ANTENNAS)
    other = np.sqrt(power) * gaussian(rng, frames, *mask.shape[1:])
    y = np.einsum("fasu,stu->fatu", h, sent) + np.einsum("fa,ftu->fatu", a, other)
    y = y + np.sqrt(NO) * gaussian(rng, *y.shape)
    full = np.zeros([frames, 1, ANTENNAS, GRID.symbols, 64], "complex64")
    full[:, 0][..., places + 32] = y
    exact = NO * np.eye(ANTENNAS) + power * np.einsum("fa,fb->fab", a, a.conj())
    return grid, h, full, exact


def test_white_noise_is_found_to_be_white():
    grid, _, y, _ = world(200, 0.0)
    for found in ("whole_band", "in_windows"):
        values = getattr(NoiseCovariance(grid, ANTENNAS), found)(y, NO).values.numpy()
        # the largest eigenvalue is beyond the edge with probability of some percent
        # (Tracy-Widom), and then just beyond
        assert np.mean(values.max(axis=-1) > 1) < 0.1
        assert values.mean() < 1.02


def test_what_is_lost_against_the_exact_covariance_is_that_of_few_snapshots():
    grid, _, y, exact = world(300, 3.0)
    covariance = NoiseCovariance(grid, ANTENNAS)
    colour = covariance.whole_band(y, NO)
    found = NO * colour.power(1.0).numpy()[:, 0]
    number = covariance._snapshots.sum()
    scale = np.einsum("faa->fa", exact).real
    scale = np.sqrt(scale[:, :, None] * scale[:, None] / number)
    assert np.all(np.abs(found - exact) < 6 * scale)  # 4,800 values
    h = gaussian(np.random.default_rng(1), 300, ANTENNAS)
    w = np.linalg.solve(found, h[..., None])[..., 0]
    ratio = np.abs(np.einsum("fa,fa->f", w.conj(), h)) ** 2
    ratio = ratio / np.einsum("fa,fab,fb->f", w.conj(), exact, w).real
    best = np.einsum("fa,fa->f", h.conj(), np.linalg.solve(exact, h[..., None])[..., 0])
    # of the sample covariance, whose noise floor is not known: (Reed, Mallett and
    # Brennan 1974, eq. 24); here the floor is
    expected = (number + 2 - ANTENNAS) / (number + 1)
    assert expected < np.mean(ratio / best.real) <= 1


def test_windows_follow_what_changes_over_the_band():
    grid, _, y, _ = world(100, 0.0)
    rng = np.random.default_rng(2)
    low = np.arange(64) < 32
    a = gaussian(rng, 100, 1, ANTENNAS, 1, 1)
    y = y + 2 * a * gaussian(rng, 100, 1, 1, 14, 64) * low
    covariance = NoiseCovariance(grid, ANTENNAS)
    largest = covariance.in_windows(y, NO).values.numpy()[..., -1]
    # some of a step goes over the edge with the projection
    assert np.mean(largest[:, 0]) > 20 * np.mean(largest[:, -1])
    assert covariance.of_bins[0] == 0 and covariance.of_bins[-1] == largest.shape[1] - 1


def test_least_squares_is_the_same_and_states_its_error():
    grid, h, y, _ = world(100, 3.0)
    plain = LSChannelEstimator(grid)
    h_hat, err_var = WhitenedEstimator(plain, grid, ANTENNAS)(y, NO)
    assert np.allclose(h_hat, plain(y, NO)[0], atol=1e-3)
    pilots = np.asarray(grid.pilot_pattern.mask)[0, 0, 2] == 1
    error = np.abs(h_hat[:, 0, :, 0].numpy() - h[:, :, :, None]) ** 2
    ratio = (error / np.broadcast_to(err_var[:, 0, :, 0], error.shape))[:, :, :, 2]
    per_frame = ratio[:, :, 0, pilots][..., ::2].mean(axis=(1, 2))
    assert abs(per_frame.mean() - 1) < 4 * per_frame.std() / 10 + 0.05


def test_blocks_come_back_from_their_configuration():
    grid, _, y, _ = world(2, 3.0)
    estimator = WhitenedEstimator(LSChannelEstimator(grid), grid, ANTENNAS)
    detector = WhitenedDetector(LinearDetector(grid, 2), grid, ANTENNAS)
    estimate = estimator(y, NO)
    for block, inputs in ((estimator, (y, NO)), (detector, (y, *estimate, NO))):
        config = keras.saving.serialize_keras_object(block)
        again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
        for one, other in zip(
            keras.tree.flatten(block(*inputs)),
            keras.tree.flatten(again(*inputs)),
            strict=True,
        ):
            assert np.array_equal(one, other)


def test_too_few_pilots_are_refused():
    few = Grid(fft_size=64, guard_carriers=(2, 1), pilot_symbols=(2,), pilot_spacing=8)
    with pytest.raises(ValueError, match="grid.pilot_spacing"):
        NoiseCovariance(resource_grid(few, STREAMS), ANTENNAS)
