import numpy as np
import pytest

from link_sim.scenarios.interference import beyond_prefix, carriers
from link_sim.scenarios.loading import list_scenarios, load_scenario

FAST = "channel.model=cdl-a", "channel.speed=69.4", "channel.carrier_frequency=5.9e9"
FAST += ("grid.subcarrier_spacing=15e3",)


def scenario(*overrides, esno_db=(40,)):
    points = f"sweep.points={list(esno_db)}"
    return load_scenario("image-awgn", [points, *overrides])


def test_a_fast_channel_is_said_to_be_too_good():
    # 1,366 Hz at 15 kHz: (pi 0.091)^2 / 6 = 0.0136
    fast = scenario(*FAST)
    assert carriers(fast.at(40)) == pytest.approx(0.0136, rel=0.01)
    assert "intercarrier interference" in fast.remark and "-19 dB" in fast.remark
    assert "\n" not in fast.remark
    assert scenario(*FAST, esno_db=[0, 8]).remark is None
    assert scenario(*FAST, esno_db=[0, 9]).remark is not None
    swept = "sweep={axis='channel.speed', points=[3, 70], esno_db=30}"
    assert load_scenario("image-awgn", [*FAST[:1], *FAST[2:], swept]).remark


def test_paths_beyond_the_cyclic_prefix_are_said_to_be_missing(tmp_path):
    a, tau = np.ones((2, 1, 1, 2, 1)) + 0j, [[0, 1e-6], [1e-6, 4e-6]]
    a[..., 1, :] = 0.1  # 1 / 101 of an example's energy
    np.savez(tmp_path / "late.npz", a=a, tau=np.array(tau))
    late = scenario("channel.model=cir", f"channel.file={tmp_path / 'late.npz'}")
    assert beyond_prefix(late.at(40)) == pytest.approx(1 / 202)  # 2.4 microseconds
    assert "paths beyond the cyclic prefix" in late.remark
    gone = scenario("channel.model=cir", f"channel.file={tmp_path / 'gone.npz'}")
    assert gone.remark is None  # results are shown all the same
    assert scenario("channel.model=tdl-a", "grid.cyclic_prefix=1").remark
    assert scenario("channel.model=tdl-a").remark is None


FEW_PILOTS = {
    "csi-pilots": 1.4, "joint-blind": 0.36, "joint-goodput": 2, "joint-pilots": 1.4,
}  # fmt: skip
"""Scenarios that ask how few pilots will do, and the delays that these tell."""


@pytest.mark.parametrize("name", list_scenarios())
def test_shipped_scenarios_leave_out_nothing_that_matters(name):
    remark = load_scenario(name).remark
    if name in FEW_PILOTS:
        assert remark.startswith(f"Pilots tell delays up to {FEW_PILOTS[name]} micro")
    else:
        assert remark is None or "LPIPS" in remark
