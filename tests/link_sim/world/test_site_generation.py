import numpy as np
import pytest

from link_sim.scenarios.base import ScenarioError
from link_sim.world.site_generation import generate_site


@pytest.mark.parametrize(
    "options, words",
    [
        ({"number": 0}, "0 channels are none"),
        ({"number": 2, "steps": 0}, "0 steps leave noise"),
        ({"number": 2, "place": (900.0, 0.0)}, "the place 900, 0 is off the map"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(ScenarioError, match=words):
        generate_site(**options)


@pytest.mark.slow
def test_channels_are_of_power_one_and_early():
    """Of 48, whose power strays by about a tenth; most of it in three taps."""
    h = generate_site(48, steps=8)
    assert h.shape == (48, 16, 64) and h.dtype == np.complex64
    assert abs(np.mean(np.abs(h) ** 2) - 1) < 0.2
    taps = np.mean(np.abs(np.fft.ifft(h, axis=2)) ** 2, axis=(0, 1))
    assert taps[[0, 1, -1]].sum() > 0.6 * taps.sum()
