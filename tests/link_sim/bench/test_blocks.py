import keras
import numpy as np
import pytest
import tensorflow as tf

from link_sim.bench.blocks import CountedSource, mflop


def test_operations_of_a_network():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3), keras.layers.Dense(2)]
    )
    by_hand = 2 * (6 * 6 * 3 * 3 * 3 * 5 + 6 * 6 * 5 * 2)
    assert mflop(model) == pytest.approx(by_hand / 1e6)


def test_evaluations_are_counted_by_the_image():
    source = CountedSource(lambda llr: 2 * llr)
    run = tf.function(source)
    assert np.array_equal(run(tf.ones([3, 2])), np.full([3, 2], 2.0))
    run(tf.ones([4, 2]))
    assert int(source.images) == 7
