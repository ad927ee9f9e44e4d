import numpy as np
import pytest

from link_sim.scenarios.channel_file import doppler, excess_delay, responses_of
from link_sim.scenarios.loading import ScenarioError, load_scenario

PERIOD = (1 + 7 / 96) / 30e3


def scenario(path, a, tau, *overrides):
    np.savez(path / "channels.npz", a=a, tau=tau)
    file = f"channel.file={path / 'channels.npz'}"
    return load_scenario("image-awgn", ["channel.model=cir", file, *overrides])


def waves(shifts, steps=14, seed=0):
    """A path of each shift [Hz] at random phase, [examples, 1, 1, paths, steps]."""
    start = np.random.default_rng(seed).random(shifts.shape)
    turns = shifts[..., None] * PERIOD * np.arange(steps) + start[..., None]
    return np.exp(2j * np.pi * turns)[:, None, None]


@pytest.mark.parametrize("largest", [10, 600, 4000])
@pytest.mark.parametrize("steps", [2, 14])
def test_the_doppler_spread_of_a_file_is_that_of_its_fading(tmp_path, largest, steps):
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, (4000, 5))
    a = waves(largest * np.cos(angles), steps)  # the model of Clarke and Jakes
    found = doppler(scenario(tmp_path, a, np.zeros((4000, 5)), "channel.speed=100"))
    assert abs(found / largest - 1) < 0.05


def test_the_speed_counts_for_channels_that_stand_still(tmp_path):
    a, tau = np.ones((3, 1, 1, 2, 1)) + 0j, np.zeros((3, 2))
    still = scenario(tmp_path, a, tau, "channel.speed=100")
    assert doppler(still) == still.channel.doppler > 1000


def test_each_example_begins_with_its_first_path(tmp_path):
    a = np.ones((3, 1, 1, 3, 1)) + 0j
    a[2, ..., 0, 0], a[1, ..., 2, 0] = 0, 1e-3
    tau = np.array([[8e-6, 9e-6, 8e-6], [1e-3, 1.001e-3, 1.02e-3], [0, 4e-6, 5e-6]])
    late = scenario(tmp_path, a, tau)
    expected = [[0, 1e-6, 0], [0, 1e-6, 2e-5], [0, 0, 1e-6]]
    np.testing.assert_allclose(responses_of(late).tau, expected, atol=1e-12)
    # the path of 20 microseconds has a millionth of the energy
    assert excess_delay(late) == pytest.approx(1e-6)


def test_paths_without_energy_may_have_no_delay(tmp_path):
    a = np.ones((2, 1, 1, 2, 1)) + 0j
    a[0, ..., 1, :] = 0
    tau = np.array([[0, np.nan], [0, 1e-6]])
    np.testing.assert_array_equal(
        responses_of(scenario(tmp_path, a, tau)).tau, np.nan_to_num(tau)
    )
    with pytest.raises(ScenarioError, match="NaN"):
        responses_of(scenario(tmp_path, a + 1, tau))
