"""Quantisers of Gaussian numbers against integrals by numbers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from link_sim.models.quantiser import Quantiser, best_step, cell_moments

BITS = [1, 2, 3, 8]
X = np.linspace(-12, 12, 1000)


@pytest.mark.parametrize("bits", BITS)
def test_a_level_tells_the_cell_of_its_number(bits):
    quantiser = Quantiser(bits, 1.7)
    levels = quantiser(X)
    low, high = quantiser.cells(levels.astype("float32"))
    assert np.all(low <= X) and np.all(X <= high)
    assert len(np.unique(levels)) <= 2**bits and np.isinf(low[0])
    assert np.allclose(levels, -quantiser(-X))
    inner = np.isfinite(low) & np.isfinite(high)
    assert np.allclose((high - low)[inner], 1.7 * best_step(bits))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("deviation", [0.4, 1.7, 5.0])
def test_gain_and_distortion_are_the_integrals(bits, deviation):
    quantiser = Quantiser(bits, 1.7)
    x = np.linspace(-9, 9, 400_001) * deviation
    weight = norm.pdf(x, scale=deviation) * (x[1] - x[0])
    level = quantiser(x)
    gain, distortion = quantiser.gaussian(np.array([deviation]))
    found = np.sum(weight * x * level) / deviation**2
    power = np.sum(weight * level**2)
    assert gain[0] == pytest.approx(found, rel=1e-4)
    assert distortion[0] == pytest.approx(
        power - found**2 * deviation**2, abs=1e-4 * power
    )
    if deviation == 1.7:
        assert gain[0] == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("mean, variance", [(0.3, 1.0), (-2.0, 0.2), (4.0, 9.0)])
@pytest.mark.parametrize(
    "low, high", [(-np.inf, 0.0), (0.0, 0.5), (-0.5, np.inf), (1.0, 1.01), (-3, -2)]
)
def test_moments_of_a_cell_are_the_integrals(low, high, mean, variance):
    deviation = np.sqrt(variance)
    ends = np.clip([low, high], mean - 12 * deviation, mean + 12 * deviation)

    def moment(power):
        def integrand(x):
            return x**power * norm.pdf(x, mean, deviation)

        return quad(integrand, *ends, epsabs=0, epsrel=1e-11, limit=200)[0]

    mass, first, second = (moment(power) for power in (0, 1, 2))
    found = cell_moments(*map(np.float64, (low, high, mean, variance)))
    assert found[0] == pytest.approx(first / mass, rel=1e-8)
    assert found[1] == pytest.approx(second / mass - (first / mass) ** 2, rel=1e-5)
    assert found[2] == pytest.approx(np.log(mass), rel=1e-8)


def test_cells_far_from_the_mean_have_moments_too():
    """At a edges beyond the mean, x - a is exponential with mean 1 / a."""
    for sign in (1, -1):
        ends = sorted([sign * 200.0, sign * np.inf])
        mean, variance, mass = cell_moments(*ends, 0.0, 1.0)
        assert mean == pytest.approx(sign * (200 + 1 / 200), rel=1e-6)
        assert 0 <= variance < 1e-4 and mass == pytest.approx(-20000, rel=1e-3)
