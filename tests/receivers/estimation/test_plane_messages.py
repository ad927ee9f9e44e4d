"""Message passing around a denoiser of planes, against the exact posterior mean."""

import numpy as np
import pytest

from link_sim.models.denoiser import GaussianDenoiser
from link_sim.receivers.estimation import linear_soundings
from link_sim.receivers.estimation.plane_messages import fixed_point, plane_vamp

SIDE, MEASURED = 12, 60


def observed(batch=40, snapshots=1, no=0.1, seed=0):
    """White Gaussian fields of unit power through random signs."""
    rng = np.random.default_rng(seed)
    size = SIDE**2

    def normal(*shape):
        return rng.standard_normal((*shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)

    m = rng.choice([-1.0, 1.0], (MEASURED, size)) / np.sqrt(size)
    h = normal(batch, size, snapshots)
    y = m @ h + np.sqrt(no) * normal(batch, MEASURED, snapshots)
    return h, y, m.astype(complex)


@pytest.mark.parametrize("no", [0.03, 1.0])
def test_a_gaussian_prior_gives_linear_mmse(no):
    h, y, m = observed(no=no, snapshots=2)
    h_hat, err_var = plane_vamp(GaussianDenoiser(0.0, 0.5), y, m, no)
    expected, stated = linear_soundings.lmmse(y, m, no, np.eye(SIDE**2, dtype=complex))
    np.testing.assert_allclose(h_hat, expected, atol=5e-3)
    np.testing.assert_allclose(err_var.mean(), np.mean(stated), rtol=0.01)


def test_each_round_comes_nearer_to_the_fixed_point():
    """A narrower prior than the true one: more than one round is needed."""
    _, y, m = observed()

    def narrow(x, sigma):
        return np.tanh(x / (1 + np.asarray(sigma) ** 2))

    *_, gaps = fixed_point(narrow, y, m, 0.1)
    assert gaps[-1] < 1e-3 and np.all(gaps[1:] < gaps[:-1])


def test_a_combiner_that_leaves_an_antenna_unseen_is_refused():
    _, y, m = observed(batch=2)
    m[:, 3] = 0
    with pytest.raises(ValueError, match="antenna"):
        plane_vamp(GaussianDenoiser(0.0, 0.5), y, m, 0.1)
