"""Pilots that learn, in the link."""

import keras
import numpy as np
import pytest
from sionna.phy import config

from link_sim import Link, load_scenario
from link_sim.receivers import TrainablePilots
from link_sim.scenarios.base import ScenarioError
from link_sim.world.resource_grid import pilot_pattern, resource_grid

SCENARIO = load_scenario(
    "image",
    grid={"fft_size": 24, "symbols": 4, "pilot_symbols": [0, 3]},
    antennas={"transmit": 1, "streams": 1, "receive": 1, "polarisation": "single"},
    channel={"model": "rayleigh"},
    code={"bits_per_symbol": 2},
    payload={"source": "random", "num_images": 4},
    receivers=["ls"],
    batch_size=4,
)


def uneven(pilots):
    """One symbol of pilots with a tenth of the energy of the other."""
    values = pilots.get_weights()[0].copy()
    values[..., : values.shape[2] // 2, :] *= 0.1**0.5
    pilots.set_weights([values])


def error_share(pilots):
    """Of least squares, over that of equal energies: the mean of 1 / energy."""
    return float(np.mean(1 / np.abs(pilots.values) ** 2))


def test_they_begin_as_those_of_the_grid_and_keep_their_energy():
    pilots, known = TrainablePilots(), pilot_pattern(SCENARIO.grid, 2)
    grid = resource_grid(SCENARIO.grid, 2, pilots)
    np.testing.assert_allclose(grid.pilot_pattern.pilots, known.pilots, atol=1e-6)
    rng = np.random.default_rng(0)
    pilots.set_weights([rng.standard_normal(pilots.get_weights()[0].shape)])
    values, before = (np.abs(x.pilots) ** 2 for x in (grid.pilot_pattern, known))
    np.testing.assert_allclose(np.mean(values, -1), np.mean(before, -1), rtol=1e-5)
    np.testing.assert_array_equal(values > 0, before > 0)
    assert np.ptp(values) > np.ptp(before)
    with pytest.raises(ValueError, match="those of the grid .*: use new ones"):
        pilots.on(pilot_pattern(SCENARIO.grid, 1))


def test_what_is_built_for_fixed_pilots_refuses_them():
    with pytest.raises(ScenarioError, match="pilots that learn change after"):
        Link(SCENARIO, ["score"], pilots=TrainablePilots())


@pytest.mark.slow
def test_training_finds_the_energies_of_least_error(tmp_path):
    """Orthogonal pilots of one mean energy: the least error is that of equal ones."""
    pilots = TrainablePilots()
    config.seed = 1
    keras.utils.set_random_seed(1)
    link = Link(SCENARIO, pilots=pilots)
    uneven(pilots)
    assert error_share(pilots) > 3
    link.compile(keras.optimizers.Adam(0.03), target="channel")
    assert [v.shape for v in link.trainable_variables] == [
        pilots.get_weights()[0].shape
    ]
    link.fit(np.full(40 * 16, 10.0), batch_size=16, verbose=0)
    assert error_share(pilots) < 1.3
    link.save(tmp_path / "link.keras")
    again = keras.models.load_model(tmp_path / "link.keras")
    np.testing.assert_array_equal(again.pilots.values, pilots.values)
    sent = again.transmitter.resource_grid.pilot_pattern.pilots
    np.testing.assert_array_equal(sent, pilots.values)
