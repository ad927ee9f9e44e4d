import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.mapping import Constellation, Demapper, Mapper

from link_sim.receivers.detection.constellation import (
    ConstellationDemapper,
    TrainableConstellation,
)

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (3, 24)).astype("float32")


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_it_begins_as_qam_and_is_demapped_like_it(bits):
    points = TrainableConstellation(bits)
    x = points(BITS)
    np.testing.assert_allclose(x, Mapper("qam", bits)(BITS), atol=1e-6)
    noise = RNG.standard_normal(x.shape) + 1j * RNG.standard_normal(x.shape)
    y = tf.constant(x.numpy() + 0.2 * noise, tf.complex64)
    expected = Demapper("app", "qam", bits)(y, tf.constant(0.08))
    found = ConstellationDemapper(points)(y, 0.08)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_it_demaps_what_sionna_demaps_with_any_points():
    points = TrainableConstellation(4)
    points.set_weights([RNG.standard_normal((16, 2)) + 3])
    assert abs(np.mean(points.points)) < 1e-6
    assert np.mean(np.abs(points.points) ** 2) == pytest.approx(1, abs=1e-6)
    custom = Constellation("custom", 4, points=points.points, normalize=False)
    y = tf.constant(points(BITS).numpy() + 0.1j, tf.complex64)
    expected = Demapper("app", constellation=custom)(y, tf.constant(0.3))
    found = ConstellationDemapper(points)(y, 0.3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_gradients_reach_the_points_through_mapper_and_demapper():
    demapper = ConstellationDemapper(TrainableConstellation(4))
    with tf.GradientTape() as tape:
        llr = demapper(demapper.constellation(BITS), 0.1)
        loss = keras.losses.binary_crossentropy(BITS, llr, from_logits=True)
    (gradient,) = tape.gradient(loss, demapper.trainable_variables)
    assert np.all(np.isfinite(gradient)) and np.any(gradient)
