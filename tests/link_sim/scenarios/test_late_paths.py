"""Paths later than pilots can tell, and what is said of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link_sim.scenarios.late_paths import late_energy, latest_delay
from link_sim.scenarios.loading import load_scenario


def scenario(*overrides):
    return load_scenario("csi-link", overrides)


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(
    half=st.integers(12, 350),
    spacing=st.sampled_from([15e3, 30e3, 60e3, 120e3]),
    pilot_spacing=st.integers(1, 8),
    streams=st.sampled_from([1, 2]),
)
def test_latest_delay_is_that_of_the_estimator(half, spacing, pilot_spacing, streams):
    """Within a step of its grid, at most 100 ns."""
    from link_sim.receivers.estimation.delay_windows import delay_windows
    from link_sim.receivers.estimation.soundings import soundings
    from link_sim.world.resource_grid import resource_grid

    at = scenario(
        f"grid.fft_size={2 * half}", f"grid.subcarrier_spacing={spacing}",
        "grid.guard_carriers=[2, 1]", f"grid.pilot_spacing={pilot_spacing}",
        f"antennas.streams={streams}", "antennas.transmit=2",
    )  # fmt: skip
    grid = resource_grid(at.grid, streams)
    places = np.asarray(grid.effective_subcarrier_ind)
    (sounding,) = soundings(grid)
    found = delay_windows(sounding, places, spacing)
    largest = min(windows.delays[-1] for _, windows in found)
    assert latest_delay(at) == pytest.approx(largest, abs=2.5e-7)


def test_energy_is_that_of_the_profile():
    tdl = scenario("channel.model=tdl-c", "channel.delay_spread=1e-6")
    assert late_energy(tdl, 2e-6) == pytest.approx(math.exp(-2))
    assert late_energy(scenario("channel.model=awgn"), 0.0) == 0
    # drawn by Sionna, 4,096 drops: -31.2, -34.2 and -38.9 dB
    for delay, db in ((4e-6, -31.2), (5e-6, -34.2), (7e-6, -38.9)):
        assert 10 * math.log10(late_energy(scenario(), delay)) == pytest.approx(
            db, abs=5
        )


def test_late_paths_are_said_in_one_sentence():
    remark = scenario("grid.pilot_spacing=8").remark
    assert "1.9" in remark or "2 micro" in remark
    assert "grid.pilot_spacing" in remark and "\n" not in remark
    assert scenario("grid.pilot_spacing=8", 'receivers=["perfect-csi"]').remark is None
    assert scenario().remark is None and scenario("channel.model=tdl-c").remark is None
    late = "channel.model=tdl-c", "channel.delay_spread=3e-6", "grid.cyclic_prefix=40"
    assert "Pilots tell delays up to 12 microseconds" in scenario(*late).remark
