import numpy as np
import pytest

from link_sim.metrics.likeness import nearest_similarity
from link_sim.receivers.estimation.mimo_baselines import lmmse
from link_sim.scenarios.base import ScenarioError
from link_sim.world.ensembles import draw_scm
from link_sim.world.generation import generate

REAL = 60


def corner(seed, size):
    """The channels of the first 16 x 4 antennas of the spatial channel model."""
    return draw_scm(seed, size)[:, :16, :4]


@pytest.fixture(scope="module")
def examples():
    return corner(1, 3 * REAL)


@pytest.fixture(scope="module")
def generated(examples):
    return generate("csi-scm", 300, seed=2, like=examples[:REAL])


def sample_covariance(h):
    h = h.reshape(len(h), -1).astype("complex128")
    return h.T @ h.conj() / len(h)


def error(h, covariance, no=0.1):
    """Of LMMSE with a covariance, over energy."""
    rng = np.random.default_rng(3)
    n = rng.standard_normal((2, *h.shape)) * np.sqrt(no / 2)
    pilots = np.broadcast_to(np.eye(4, dtype="complex64"), (len(h), 4, 4))
    h_hat, _ = lmmse(h + n[0] + 1j * n[1], pilots, no, [covariance])
    return np.sum(np.abs(h_hat - h) ** 2) / np.sum(np.abs(h) ** 2)


def test_real_and_generated_channels_are_worth_three_times_as_many_real_ones(
    examples, generated
):
    held_out, few = corner(4, 60), examples[:REAL]
    both = error(held_out, sample_covariance(np.concatenate([few, generated])))
    assert both < error(held_out, sample_covariance(examples))
    assert both < 0.7 * error(held_out, sample_covariance(few))


def test_energy_is_that_of_the_examples(examples, generated):
    """Of 16 x 4 channels with a few strong directions: their mean strays by 1 / sqrt of
    300 times two directions or so."""
    wanted = np.mean(np.abs(examples[:REAL]) ** 2)
    assert abs(np.mean(np.abs(generated) ** 2) / wanted - 1) < 4 / np.sqrt(600)


def test_no_example_is_repeated(examples, generated):
    """They are no closer to the examples than examples to each other, or little."""
    few, others = examples[:REAL], examples[REAL : 2 * REAL]
    assert (
        nearest_similarity(generated, few) < nearest_similarity(others, few) + 0.1 < 1
    )


def test_arrays_are_served_the_other_way_round(examples):
    turned = np.swapaxes(examples[:8], 1, 2)
    h = generate("csi-scm", 8, seed=5, like=turned)
    expected = generate("csi-scm", 8, seed=5, like=examples[:8])
    np.testing.assert_allclose(h, np.swapaxes(expected, 1, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("prior", "number", "shape", "message"),
    [
        ("csi-smc", 3, (2, 4, 4), "there is no prior 'csi-smc'"),
        ("csi-scm", 0, (2, 4, 4), "0 channels are none"),
        ("csi-scm", 3, (2, 4, 200), "serve up to 128 x 32 antennas"),
    ],
)
def test_refusals(prior, number, shape, message):
    with pytest.raises(ScenarioError, match=message):
        generate(prior, number, like=np.ones(shape, "complex64"))
