import numpy as np
import pytest
import tensorflow as tf

from link_sim.experiments.link import Link
from link_sim.models.unrolled import UnrolledSteps
from link_sim.receivers.detection.unrolled import FEATURES, OUTPUTS, UnrolledDetector
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")
SMALL = "payload.source=random", "grid.fft_size=26", "batch_size=2"
AMPLIFIER = "hardware={amplifier='3gpp-polynomial', back_off_db=2}"


@pytest.fixture(scope="module")
def link():
    return Link(load_scenario("image-awgn", [*SMALL, AMPLIFIER]), ["perfect-csi"])


def detector(link, steps):
    return UnrolledDetector(
        link.transmitter, UnrolledSteps(steps, FEATURES, OUTPUTS, 8)
    )


def test_the_transpose_is_that_of_the_derivative(link):
    """<u, M d> = <M^T u, d>, M d by differences of the amplifier itself."""
    amplified = detector(link, 1).steps.amplified
    rng = np.random.default_rng(1)
    shape = 3, 2, 1, 1, int(link.transmitter.resource_grid.num_data_symbols)
    x, u, d = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(
        "complex64"
    ) / np.float32(np.sqrt(2))
    x, u = tf.constant(x), tf.constant(u)
    ahead, behind = (amplified(x + s * np.float32(0.02) * d) for s in (1, -1))
    moved = (ahead - behind) / np.float32(0.04)
    left = np.vdot(u, moved).real
    assert left == pytest.approx(np.vdot(amplified.transpose(x, u), d).real, rel=0.02)


def test_a_step_that_learned_nothing_cancels_the_distortion(link):
    """Of symbols without noise: z - e(x'), x' the means given z."""
    one = detector(link, 1).steps
    shape = 1, 1, 1, int(link.transmitter.resource_grid.num_data_symbols)
    bits = np.random.default_rng(2).choice([-100.0, 100.0], (*shape[:3], shape[3] * 6))
    demap = detector(link, 1).first.demap
    x = demap.soft_symbols(tf.constant(bits, tf.float32))
    z = one.amplified(x)
    told = demap.soft_symbols(demap(z, np.float32(0.02)))
    ((x_hat, no_eff),) = one(z, tf.fill(shape, 0.02), np.zeros(shape, "float32"))
    expected = z - (one.amplified(told) - told)
    np.testing.assert_allclose(x_hat, expected, atol=1e-5)
    np.testing.assert_allclose(no_eff, 0.02, rtol=1e-5)


def test_without_an_amplifier_it_is_the_linear_detector():
    link = Link(load_scenario("image-awgn", [*SMALL]), ["perfect-csi"])
    own = detector(link, 2)
    world = link.draw(link.scenario.at(link.scenario.sweep.points[0]), 0)
    carriers = int(link.transmitter.resource_grid.num_effective_subcarriers)
    h = tf.ones([len(world.y), 1, 1, 1, 1, world.x_rg.shape[3], carriers], tf.complex64)
    seen = world.y, h, tf.zeros([1] * 7), world.no
    expected = link.receivers[0].detector(*seen)
    np.testing.assert_allclose(own(*seen), expected, rtol=1e-5, atol=1e-5)
