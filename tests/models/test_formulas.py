"""Schedules: identities that hold exactly."""

import numpy as np
import pytest

from link_sim.models import schedules


def test_karras_levels():
    sigmas = schedules.karras_sigmas(18, 0.002, 80.0, 7.0)
    assert len(sigmas) == 19 and sigmas[-1] == 0
    np.testing.assert_allclose(sigmas[[0, 17]], [80, 0.002])
    np.testing.assert_allclose(np.diff(sigmas[:-1] ** (1 / 7), 2), 0, atol=1e-12)


@pytest.mark.parametrize(
    "levels, beta", [(50, 0.0379), (200, 0.00949), (1000, 0.001824)]
)
def test_bridge_betas_end_at_the_condition(levels, beta):
    betas = schedules.bridge_betas(levels)
    a = schedules.alpha_bars(betas)[-1]
    assert np.isclose((1 - a) / np.sqrt(a), 1, atol=1e-9)
    assert np.isclose(betas[-1], beta, rtol=1e-3)


def test_alpha_bars_are_products():
    a = schedules.alpha_bars(schedules.linear_betas(100))
    assert a[0] == 1 and np.isclose(a[2], (1 - 1e-4) * (1 - 1e-4 - 0.0199 / 99))
