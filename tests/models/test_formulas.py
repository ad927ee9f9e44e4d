"""Schedules and parameterisations: identities that hold exactly."""

import numpy as np
import pytest

from link_sim.models import parameterization as p
from link_sim.models import schedules

RNG = np.random.default_rng(0)
X0, NOISE = RNG.standard_normal((2, 100))


@pytest.mark.parametrize("angle", [0.05, 0.7, 1.5])
def test_parameterisations_give_x0_and_come_back(angle):
    a, s = np.cos(angle), np.sin(angle)
    x = a * X0 + s * NOISE
    np.testing.assert_allclose(p.eps_from_x0(x, X0, a, s), NOISE, atol=1e-9)
    np.testing.assert_allclose(p.v_from_x0(x, X0, a, s), a * NOISE - s * X0)
    np.testing.assert_allclose(p.score_from_x0(x, X0, a, s), -NOISE / s, atol=1e-9)
    for name in ("eps", "v", "score"):
        predicted = getattr(p, f"{name}_from_x0")(x, X0, a, s)
        back = getattr(p, f"x0_from_{name}")(x, predicted, a, s)
        np.testing.assert_allclose(back, X0, atol=1e-9)


def test_flow_is_the_velocity_of_the_straight_path():
    s = 0.3
    x = (1 - s) * X0 + s * NOISE
    flow = p.flow_from_x0(x, X0, s)
    np.testing.assert_allclose(flow, NOISE - X0)
    np.testing.assert_allclose(p.x0_from_flow(x, flow, s), X0)


def test_karras_levels():
    sigmas = schedules.karras_sigmas(18, 0.002, 80.0, 7.0)
    assert len(sigmas) == 19 and sigmas[-1] == 0
    np.testing.assert_allclose(sigmas[[0, 17]], [80, 0.002])
    np.testing.assert_allclose(np.diff(sigmas[:-1] ** (1 / 7), 2), 0, atol=1e-12)


def test_geometric_levels():
    sigmas = schedules.geometric_sigmas(10, 0.01, 50)
    np.testing.assert_allclose(sigmas[1:] / sigmas[:-1], (0.01 / 50) ** (1 / 9))


@pytest.mark.parametrize(
    "levels, beta", [(50, 0.0379), (200, 0.00949), (1000, 0.001824)]
)
def test_bridge_betas_end_at_the_condition(levels, beta):
    betas = schedules.bridge_betas(levels)
    a = schedules.alpha_bars(betas)[-1]
    assert np.isclose((1 - a) / np.sqrt(a), 1, atol=1e-9)
    assert np.isclose(betas[-1], beta, rtol=1e-3)


def test_alpha_bars_and_sigmas_agree():
    a = schedules.alpha_bars(schedules.linear_betas(100))
    assert a[0] == 1 and np.isclose(a[2], (1 - 1e-4) * (1 - 1e-4 - 0.0199 / 99))
    sigmas = schedules.sigmas_from_alpha_bars(a)
    np.testing.assert_allclose(1 / (1 + sigmas**2), a)
