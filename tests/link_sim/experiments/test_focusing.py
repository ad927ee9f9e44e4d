"""Beam focusing: its scenarios, counts and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments.focusing import Focusing
from link_sim.metrics.rates import estimate
from link_sim.models.pairwise import PairwiseNetwork
from link_sim.receivers.precoding import calibrated
from link_sim.receivers.precoding.gram import user_rates
from link_sim.receivers.precoding.linear import ZF
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")

SMALL = "batch_size=2", "downlink.users=6", "downlink.antennas=32"
CLASSICAL = (
    'receivers=["mrt", "zf", "zf-water-filling", "rzf", "rzf-total", "r-wmmse-5"]'
)


def small(*settings, name="focusing"):
    return load_scenario(name, [*SMALL, CLASSICAL, *settings])


def sum_rates(scenario, point):
    counts = run_batch(scenario.to_toml(), point, 0)["counts"]
    return {name: estimate(sums, "sum_rate").value for name, sums in counts.items()}


def test_a_batch_is_the_same_again_and_another_is_not():
    toml = small('receivers=["mrt", "rzf"]').to_toml()
    a, b, c = (run_batch(toml, 8.0, i)["counts"] for i in (0, 0, 1))
    assert a == b and a["rzf"] != c["rzf"]


@pytest.mark.parametrize("name", ["focusing", "focusing-clustered"])
def test_precoders_are_in_their_order(name):
    found = sum_rates(small(name=name), 8.0)
    assert found["r-wmmse-5"] >= found["rzf"] > found["mrt"]
    assert found["zf-water-filling"] >= found["zf"]


def test_counts_are_those_of_the_rates():
    scenario = small('receivers=["zf"]').at(8.0)
    world = Focusing(scenario).draw(scenario, 0)
    rates = np.asarray(user_rates(world.h, ZF()(world.h, world.no), world.no))
    counts = run_batch(small('receivers=["zf"]').to_toml(), 8.0, 0)["counts"]["zf"]
    jain = rates.sum(1) ** 2 / (6 * (rates**2).sum(1))
    for metric, exact in (
        ("sum_rate", rates.sum(1)),
        ("lowest_rate", rates.min(1)),
        ("fairness", jain),
        ("multiplications", [4 * (2 * 36 * 32 + 216) / 1e6]),
    ):
        assert estimate(counts, metric).value == pytest.approx(np.mean(exact), rel=1e-4)


def test_errors_of_the_estimate_cost_rate_and_subarrays_too():
    one = 'receivers=["rzf"]'
    best, known, shared = (
        sum_rates(small(one, *setting), 8.0)["rzf"]
        for setting in ([], ["downlink.err_var=0.3"], ["downlink.subarray=4"])
    )
    assert 0.3 * best < known < best and 0.3 * best < shared < best


def test_number_of_users_can_be_swept():
    sweep = "sweep={axis='downlink.users', points=[2, 4], snr_db=5}"
    scenario = load_scenario("focusing", [*SMALL, 'receivers=["rzf"]', sweep])
    assert sum_rates(scenario, 4.0)["rzf"] > sum_rates(scenario, 2.0)["rzf"]


@pytest.mark.parametrize(
    "settings, words",
    [
        (["downlink.users=40"], "users = 40 exceed the 32 chains"),
        (["downlink.subarray=16"], "users = 6 exceed the 2 chains"),
        (["downlink.subarray=5"], "subarray = 5 does not divide antennas = 32"),
        (["downlink.err_var=nan"], "downlink.err_var"),
        (["sweep.points=[0, 90]"], "snr_db = 90 is beyond what precoders compute"),
        (["downlink.geometry=ring"], "downlink.geometry"),
        (["stop.relative_width=0.1"], "stop.relative_width is that of code blocks"),
        (["sweep.axis=downlink.users", "sweep.points=[3]"], "needs one fixed snr_db"),
    ],
)
def test_bad_input_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        small(*settings)


def test_weights_for_another_array_are_refused(monkeypatch):
    network = PairwiseNetwork(2049, 0, 2048, width=4, depth=1)
    monkeypatch.setattr(calibrated, "load_model", lambda name: network)
    with pytest.raises(ScenarioError, match="weights are for 1024 antennas, not 32"):
        Focusing(small('receivers=["nc-published"]').at(8.0))


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("geometry, share", [("uniform", 0.995), ("clustered", 0.99)])
def test_network_is_as_good_as_wmmse_for_numbers_of_users_never_trained_on(
    geometry, share
):
    settings = [
        'receivers=["rzf", "r-wmmse-100", "nc-zf"]',
        f"downlink.geometry={geometry}",
        "sweep={axis='downlink.users', points=[75, 200], snr_db=0}",
    ]
    scenario = load_scenario("focusing", settings)
    for users in (75.0, 200.0):
        found = sum_rates(scenario, users)
        assert found["nc-zf"] > share * found["r-wmmse-100"]
        if geometry == "clustered":
            assert found["nc-zf"] > 1.25 * found["rzf"]


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("geometry", ["uniform", "clustered"])
def test_network_is_as_good_where_arrays_cannot_tell_users_apart(geometry):
    """Over 24 drops the share of the worst, clustered at 0 dB, is known to 1 %."""
    settings = [
        'receivers=["r-wmmse-100", "nc-zf"]',
        f"downlink={{users=32, antennas=64, geometry='{geometry}'}}",
        "batch_size=24",
    ]
    found = sum_rates(load_scenario("focusing", settings), 0.0)
    assert found["nc-zf"] > 0.97 * found["r-wmmse-100"]
