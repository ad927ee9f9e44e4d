import numpy as np
import tensorflow as tf
from sionna.phy.channel import cir_to_ofdm_channel

from link_sim.world.channel import apply_channel, frequency_response


def test_equals_sionnas_sum_over_paths():
    rng = np.random.default_rng(0)
    a = rng.standard_normal([3, 1, 4, 1, 2, 5, 6, 2]) @ [1, 1j]
    tau = tf.constant(rng.uniform(0, 1e-6, [3, 1, 1, 5]), tf.float32)
    frequencies = tf.constant(np.arange(-8, 8) * 30e3, tf.float32)
    a = tf.constant(a, tf.complex64)
    expected = cir_to_ofdm_channel(frequencies, a, tau)
    assert np.allclose(frequency_response(a, tau, frequencies), expected, atol=1e-4)


def test_streams_add_up():
    rng = np.random.default_rng(0)
    h = (rng.standard_normal([3, 1, 4, 1, 2, 5, 6, 2]) @ [1, 1j]).astype("complex64")
    x = (rng.standard_normal([3, 1, 2, 5, 6, 2]) @ [1, 1j]).astype("complex64")
    expected = np.einsum("brxtmsf,btmsf->brxsf", h, x)
    assert np.allclose(apply_channel(x, h), expected, atol=1e-5)
