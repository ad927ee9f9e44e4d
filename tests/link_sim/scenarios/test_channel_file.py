import subprocess
import sys

import numpy as np
import pytest

from link_sim.scenarios.channel_file import doppler, excess_delay, responses_of
from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.world.channel_files import write
from link_sim.world.channel_formats import channels_of

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


SIONNA = np.random.default_rng(2).standard_normal((6, 1, 2, 1, 2, 3, 1, 2)) @ [1, 1j]
LATE = np.tile([0, 2e-7, 5e-7], (6, 1, 1, 1))
WRONG = {  # gains and delays as they are, and what a scenario and `channels` say
    "rank 7": (SIONNA, LATE, "link-sim channels", None),
    "rank 6": (SIONNA[0], LATE[0], "link-sim channels", None),
    "missing": (
        np.where(np.arange(3)[:, None] == 2, np.nan, SIONNA[:, 0, :, 0]),
        np.where(np.arange(3) == 2, np.nan, LATE[:, 0, 0]),
        "mark missing paths by NaN",
        None,
    ),
    "silent example": (
        SIONNA[:, 0, :, 0] * (np.arange(6) > 0)[:, None, None, None, None],
        LATE[:, 0, 0],
        "link-sim channels",
        None,
    ),
    "NaN in a": (
        np.where(np.arange(3)[:, None] == 2, np.nan, SIONNA),
        LATE,
        "link-sim channels",
        "remove those examples",
    ),
    "NaN in tau": (
        SIONNA[:, 0, :, 0],
        np.where(np.arange(3) == 2, np.nan, LATE[:, 0, 0]),
        "where there is energy",
        "set a to 0",
    ),
    "real": (SIONNA.real, LATE, "must be complex", "join real and imaginary"),
    "no path": (SIONNA * np.nan, LATE * np.nan, "link-sim channels", "no path"),
    "delays of two": (SIONNA, LATE[:, 0, :, :2], "link-sim channels", "do not fit"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_files_of_others_are_converted_or_refused_in_one_sentence(tmp_path, case):
    a, tau, words, refused = WRONG[case]
    antennas = "antennas={transmit=2, receive=2, streams=2}"
    with pytest.raises(ScenarioError, match=words) as said:
        responses_of(scenario(tmp_path, a, tau, antennas))
    assert "\n" not in str(said.value)
    path = tmp_path / "channels.npz"
    if refused:
        with pytest.raises(ScenarioError, match=refused):
            channels_of(path)
        return
    write(path, channels_of(path))
    found = f"channel.file={path}"
    again = load_scenario("image-awgn", ["channel.model=cir", found, antennas])
    assert np.isfinite(responses_of(again).a).all()


@pytest.mark.parametrize(
    "kind, settings",
    [
        ("image-awgn", ["channel.model=cfr", "channel.file={}"]),
        ("csi-scm", ["estimation.ensemble=file", "estimation.file={}"]),
    ],
)
def test_one_array_without_a_name_is_called_that(tmp_path, kind, settings):
    path = tmp_path / "h.npy"
    np.save(path, np.ones((20, 1, 1, 8, 1), "complex64"))
    with pytest.raises(ScenarioError, match="one array without a name.*channels"):
        load_scenario(kind, [key.format(path) for key in settings]).check_files()


def test_files_are_refused_before_tensorflow_is_loaded(tmp_path):
    np.savez(tmp_path / "channels.npz", a=SIONNA, tau=LATE)
    code = (
        "import sys\nfrom link_sim.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 2\n"
        "assert 'tensorflow' not in sys.modules"
    )
    settings = "channel.model=cir", f"channel.file={tmp_path / 'channels.npz'}"
    command = [sys.executable, "-c", code, "run", "image"]
    command += [f"--set={each}" for each in settings] + ["--out", str(tmp_path / "x")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "link-sim channels" in ended.stderr and "Traceback" not in ended.stderr
