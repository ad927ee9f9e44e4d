import numpy as np
import tensorflow as tf

from link_sim.receivers.images.bits import bits_from_image, image_from_bits


def test_bits_of_every_level_are_exact_in_graphs_too():
    levels = np.arange(256, dtype="uint8")
    expected = np.unpackbits(levels[:, None], axis=-1)
    image = tf.constant(levels / np.float32(255))
    for convert in (bits_from_image, tf.function(bits_from_image)):
        bits = convert(image)
        assert np.array_equal(bits, expected)
        assert np.allclose(image_from_bits(bits), image, atol=1e-7)
