import numpy as np
import pytest
from sionna.phy import config

from link_sim.scenarios.loading import load_scenario
from link_sim.world import impulse_responses
from link_sim.world.channel import Channel

pytestmark = pytest.mark.usefixtures("eager")


@pytest.mark.parametrize("model", ["cdl-c", "cdl-d", "umi"])
def test_draws_the_coefficients_that_sionna_draws_from_the_same_seed(
    model, monkeypatch
):
    overrides = [f"channel.model={model}", "channel.speed=30", "antennas.receive=4"]
    scenario = load_scenario("image", overrides)

    def draw():
        channel = Channel(scenario)
        config.seed = 1
        return channel._impulse_responses(3, 5, 1e3)

    a, tau = draw()
    monkeypatch.setattr(impulse_responses, "sum_rays", lambda *args, **options: None)
    expected, delays = draw()
    assert np.array_equal(tau, delays) and not np.array_equal(a, expected)
    largest = np.abs(expected).max()
    assert np.abs(a - expected).max() < 1e-4 * largest
    assert np.abs(np.diff(a)).max() > 0.1 * largest  # the channel moves
