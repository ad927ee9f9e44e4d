import numpy as np
import pytest
from sionna.phy import config
from sionna.phy.channel.tr38901 import ChannelCoefficientsGenerator

from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel

pytestmark = pytest.mark.usefixtures("eager")


@pytest.mark.parametrize("model", ["cdl-c", "cdl-d", "umi"])
def test_draws_the_coefficients_that_sionna_draws_from_the_same_seed(model):
    overrides = [f"channel.model={model}", "channel.speed=30", "antennas.receive=4"]
    draw = Channel(load_scenario("image", overrides))._impulse_responses
    config.seed = 1
    a, tau = draw(3, 5, 1e3)
    block = draw if model.startswith("cdl") else _system_model(draw)
    arrays = block._cir_sampler._tx_array, block._cir_sampler._rx_array
    block._cir_sampler = ChannelCoefficientsGenerator(3.5e9, *arrays, model == "umi")
    config.seed = 1
    expected, delays = draw(3, 5, 1e3)
    assert np.array_equal(tau, delays)
    largest = np.abs(expected).max()
    assert np.abs(a - expected).max() < 1e-4 * largest
    assert np.abs(np.diff(a)).max() > 0.1 * largest  # the channel moves


def _system_model(draw):
    """Sionna's model in the closure of a function that draws from it."""
    return draw.__closure__[draw.__code__.co_freevars.index("model")].cell_contents
