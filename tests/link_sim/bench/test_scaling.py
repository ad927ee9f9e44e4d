import pytest

from link_sim.bench.scaling import fitted_exponent


def test_exponent_is_that_of_a_power_law():
    assert fitted_exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
