"""Files of traced sites: round trip, split, refusals."""

import json

import numpy as np
import pytest

from link_sim.scenarios import sites
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.channel_file import excess_delay, responses_of
from link_sim.scenarios.data_files import DataFile, sha256
from link_sim.scenarios.loading import load_scenario

SWEPT = "sweep.axis=alpha", "sweep.snr_db=10"
UMI = "estimation={ensemble='umi'}"


def small_site(positions=((0.0, 0.0, 1.5), (50.0, 0.0, 1.5)), **changed):
    """Two users with two paths and one."""
    arrays = {
        "position": positions, "sight": [True, False], "number": [2, 1],
        "gain": [1e-4, 1e-5j, 2e-6], "delay": [0.0, 1e-7, 0.0],
        "angles": np.linspace(0, 1.5, 12).reshape(3, 4), "station": (1, 2, 3),
        "carrier": 3.5e9, "buildings": [[True, False, True]], "area": (0, 1, 2, 3),
    }  # fmt: skip
    return sites.Site.of(**arrays | changed)


def test_a_file_holds_what_was_saved(tmp_path):
    site = small_site()
    sites.save_site(tmp_path / "site.npz", site)
    read = sites.load_site(DataFile(path=str(tmp_path / "site.npz")))
    for a, b in zip(site, read, strict=True):
        np.testing.assert_array_equal(a, b)
    paths = read.chosen(np.array([1, 0]))
    np.testing.assert_allclose(paths.gain[0], [1, 0])
    np.testing.assert_allclose(
        paths.gain[1], np.array([1, 0.1j]) / np.hypot(1, 0.1), rtol=1e-6
    )
    np.testing.assert_array_equal(paths.angles[1], site.angles[:2])


def test_the_shipped_site_is_that_of_its_card_and_its_parts_are_apart():
    site, file = sites.load_site("munich"), sites.SHIPPED / "munich.npz"
    card = json.loads(file.with_suffix(".json").read_text())
    assert card["sha256"] == sha256(file) and file.stat().st_size < 1e6
    assert card["users"] == len(site.number) and card["tested"] == site.test.sum()
    assert "munich" in sites.shipped_sites()
    squares = np.floor(site.position[:, :2] / sites.SQUARE)
    tested, learned = ({*map(tuple, squares[site.test == t])} for t in (True, False))
    assert not tested & learned
    assert 0.3 <= site.test.mean() < 0.4
    for test in (True, False):  # of power one, and timed by the first that matters
        paths = site.users(test)
        power = np.abs(paths.gain) ** 2
        np.testing.assert_allclose(power.sum(axis=1), 1)
        matter = power >= power.max(axis=1, keepdims=True) * 10**-2
        first = np.where(matter, paths.delay, np.inf).min(axis=1)
        np.testing.assert_allclose(first, 0, atol=1e-12)


def test_times_begin_with_the_first_path_that_matters():
    gain, delay = [1e-6, 1e-3, 2e-3, 1.0], [1.0, 2.0, 3.0, 4.0]
    np.testing.assert_array_equal(
        sites.first_within(gain, delay, [3, 0, 1]), [2.0, 0.0, 4.0]
    )


def test_tails_take_their_share_of_the_power_and_come_later():
    paths = sites.load_site("munich").users(True)
    rng = np.random.default_rng(0)
    dense = sites.with_tails(rng, paths, 0.3)
    power, own = np.abs(dense.gain) ** 2, paths.gain.shape[1]
    np.testing.assert_allclose(power.sum(axis=1), 1)
    np.testing.assert_allclose(power[:, own:].sum(axis=1), 0.3)
    late = dense.delay[:, own:].reshape(*paths.delay.shape, -1)
    assert (late >= paths.delay[..., None]).all()
    assert sites.with_tails(rng, paths, 0.0) is paths


def test_delays_of_a_link_are_those_of_its_tails():
    own = ["channel.model=site", "antennas.polarisation=single"]
    plain = load_scenario("csi-link", own)
    dense = load_scenario("csi-link", [*own, "channel.diffuse=0.3"])
    assert excess_delay(dense) > excess_delay(plain)
    paths = sites.site_users(dense.channel)
    np.testing.assert_array_equal(responses_of(dense).tau, paths.delay)


def test_tails_of_users_learned_from_are_not_those_of_users_tested():
    own = ["channel.model=site", "antennas.polarisation=single", "channel.diffuse=0.3"]
    rays = []
    for users in ("train", "test"):
        channel = load_scenario("csi-link", [*own, f"channel.users={users}"]).channel
        traced = sites.load_site("munich").users(users == "test").gain.shape[1]
        gain = np.abs(sites.site_users(channel).gain[0, traced:][: sites.RAYS])
        rays.append(gain / np.linalg.norm(gain))
    assert not np.isclose(*rays).any()


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"gain": [1e-4, 1e-5j, 0]}, "1 users without a path"),
        ({"gain": [1e-4, np.nan, 1]}, "NaN or infinite"),
        ({"number": [2, 2]}, "different lengths"),
        ({"positions": ((0.0, 0, 0), (1.0, 0, 0))}, "users in one square"),
    ],
)
def test_a_file_that_does_not_serve_gets_one_sentence(changed, words, tmp_path):
    path = tmp_path / "site.npz"
    sites.save_site(path, small_site(**changed))
    with pytest.raises(ScenarioError, match=words):
        sites.load_site(DataFile(path=str(path)))


def test_a_carrier_that_is_not_the_traced_one_gets_one_sentence():
    own = ["channel.model=site", "antennas.polarisation=single"]
    near, far = (
        load_scenario("csi-link", [*own, f"channel.carrier_frequency={carrier}"])
        for carrier in (3.7e9, 28e9)
    )
    near.check_files()
    with pytest.raises(ScenarioError, match=r"traced at 3.5e\+09 Hz"):
        far.check_files()


def test_a_file_of_something_else_gets_one_sentence(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    for name in ("other.npz", "none.npz"):
        with pytest.raises(ScenarioError, match="holds no traced site"):
            scenario = load_scenario("site", [f"site.name={tmp_path / name}"])
            scenario.check_files()


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("csi-link", ["channel.model=site"], "a single polarisation"),
        ("smoke", ["channel.site=munich"], "set channel.model=site"),
        ("site", ["estimation={ensemble='scm'}"], "section site"),
        ("site", ["estimation.alpha=0.01"], "fewer than two pilots"),
        ("site", [*SWEPT, "sweep.points=[0.01]"], "fewer than two pilots"),
        ("site", ["estimation.alpha=0.7"], "1 over a whole number"),
        ("site", [*SWEPT, "sweep.points=[0.33, 0.7]"], "1 over a whole number"),
        ("site", ["site.subcarriers=3"], "site.subcarriers"),
        ("site", ["site.bandwidth=1e9", "site.subcarriers=4"], "100 MHz apart"),
        ("site", [UMI, "site.diffuse=0.1"], "say nothing of umi"),
        ("site", ["estimation.trained_on=['scm']"], "another kind"),
    ],
)
def test_keys_that_do_not_fit_get_one_sentence(name, settings, words):
    settings = ["site.antennas=8", *settings] if name == "site" else settings
    with pytest.raises(ScenarioError, match=words):
        load_scenario(name, settings)
