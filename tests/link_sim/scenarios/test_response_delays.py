"""Delays of frequency responses."""

import numpy as np
import pytest

from link_sim.scenarios.channel_file import check_steps, responses_of
from link_sim.scenarios.late_paths import late_energy
from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.scenarios.response_delays import (
    LOBE,
    delay_profile,
    first_delays,
    synchronised,
)

EXAMPLES = 60


def responses(delays, points, gains=1.0):
    """[examples, 1, 1, points, 1] of paths with delays [examples, paths], in steps."""
    turns = delays[:, :, None] * (np.arange(points) - points // 2) / points
    h = np.exp(-2j * np.pi * turns) * np.broadcast_to(gains, delays.shape)[..., None]
    return h.sum(axis=1)[:, None, None, :, None]


@pytest.mark.parametrize("points", [31, 88, 275])
def test_the_first_of_paths_is_found_wherever_it_is(points):
    """At most half a step too late, and three too early.

    Energies are within 10 dB of each other.
    """
    rng = np.random.default_rng(points)
    first = rng.uniform(-points, points, EXAMPLES)
    after = rng.uniform(0, points / 4, (EXAMPLES, 3)) * [0, 1, 1]
    gains = rng.uniform(0.3, 1, (EXAMPLES, 3))
    found = first_delays(
        delay_profile(responses(first[:, None] + after, points, gains))
    )
    gap = (first - found + points / 2) % points - points / 2
    assert -0.5 < gap.min() and gap.max() < 3


def test_noise_does_not_move_it():
    """10 dB below the channel, of 4 pairs of antennas."""
    rng, points = np.random.default_rng(0), 96
    h = np.repeat(responses(np.full((EXAMPLES, 1), 0.3), points), 4, axis=1)
    noise = rng.standard_normal((*h.shape, 2)) @ [1, 1j] * 0.05**0.5
    found = first_delays(delay_profile(h + noise))
    assert np.all(np.abs(found) <= 2 * LOBE)


def test_noise_is_no_late_path():
    """What a file holds of noise lies at all delays; 10 medians leave 1e-3 of them."""
    rng, points = np.random.default_rng(0), 96
    h = np.repeat(responses(np.full((EXAMPLES, 1), 0.3), points), 4, axis=1)
    h = h + rng.standard_normal((*h.shape, 2)) @ [1, 1j] * 0.05**0.5
    _, powers = synchronised(h, np.arange(points))
    assert powers[:, 4 * LOBE :].sum() < 1e-3 * powers.sum()


def test_few_subcarriers_tell_the_mean_delay():
    found = first_delays(delay_profile(responses(np.array([[2.2], [-3.0]]), 8)))
    np.testing.assert_allclose(found, [2.2, -3], atol=0.1)


def test_responses_from_zero_on_stay_as_they_are():
    h = responses(np.array([[0, 3.3, 7.2], [0.4, 0.4, 1.0]]), 64)
    same, powers = synchronised(h, np.arange(64))
    assert same is h
    assert powers[:, : 2 * LOBE + 2].sum() > 0.5 * powers.sum()


def file_of(path, h, *overrides):
    np.savez(path / "h.npz", h=h, spacing=30e3)
    settings = ["channel.model=cfr", f"channel.file={path / 'h.npz'}", *overrides]
    return load_scenario("image-awgn", settings)


def test_a_common_delay_is_taken_off_and_late_paths_are_told(tmp_path):
    delays = np.array([[0.0, 9.0], [0.0, 2.0]])  # steps of 0.35 microseconds
    h = responses(delays, 96, [1.0, 0.5])
    late = responses(delays + [[-20.0], [30.0]], 96, [1.0, 0.5])
    found = responses_of(file_of(tmp_path, late))
    for own, expected in zip(found.a[..., 0, 0, :, 0], h[..., 0, 0, :, 0], strict=True):
        turns = np.angle(np.mean(own[1:] / expected[1:] * (own / expected)[:-1].conj()))
        assert abs(turns) < 2 * np.pi / 89 * 3  # per subcarrier, of 89 in the band
        ramp = np.exp(1j * turns * (np.arange(96) - 48))
        np.testing.assert_allclose(own / own[48], expected * ramp / expected[48])
    share = 0.25 / 1.25 / 2  # of one example of two, both of energy 1.25
    assert late_energy(file_of(tmp_path, late), 1.4e-6) == pytest.approx(share, 0.2)
    assert late_energy(file_of(tmp_path, late), 5e-6) < 1e-4


@pytest.mark.parametrize("where", ["guards", "later steps"])
def test_examples_that_no_frame_hears_are_refused(tmp_path, where):
    h = np.ones((5, 1, 1, 96, 28), "complex64")
    h[
        2, :, :, *((slice(4, -3),) if where == "guards" else (slice(None), slice(14)))
    ] = 0
    at = file_of(tmp_path, h)
    with pytest.raises(
        ScenarioError, match="without energy at the first 14 time steps"
    ):
        check_steps(at, 14)
