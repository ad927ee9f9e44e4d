"""Error rates of Sionna's published tutorials, through our decoder."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import AWGN, FlatFadingChannel
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.mapping import BinarySource, Demapper, Mapper
from sionna.phy.mimo import lmmse_equalizer
from sionna.phy.utils import ebnodb2no

from link_sim.receivers.decoding.ldpc import BPDecoder


def block_error_rate(simulate, batches):
    """Mean and standard deviation of the block error rate over seeded batches."""
    config.seed = 1
    wrong = np.concatenate([np.ravel(simulate()) for _ in range(batches)])
    return wrong.mean(), np.sqrt(wrong.mean() * (1 - wrong.mean()) / wrong.size)


def near(measured, deviation, published, published_errors=500):
    """Within four standard deviations, those of the published count included."""
    return abs(measured - published) < 4 * np.hypot(
        deviation, published / np.sqrt(published_errors)
    )


@pytest.mark.slow
@pytest.mark.parametrize("ebno_db, published", [(2.0, 0.1547), (3.0, 0.0225)])
def test_short_5g_ldpc_code_with_qpsk_over_awgn(ebno_db, published):
    encoder = LDPC5GEncoder(64, 128)
    decoder = BPDecoder(encoder, num_iter=20)
    source, mapper, demapper = (
        BinarySource(),
        Mapper("qam", 2),
        Demapper("app", "qam", 2),
    )
    no = ebnodb2no(ebno_db, 2, 0.5)

    @tf.function
    def simulate():
        b = source([5000, 64])
        llr = demapper(AWGN()(mapper(encoder(b)), no), no)
        return tf.reduce_any((decoder(llr) > 0) != (b > 0), axis=-1)

    assert near(*block_error_rate(simulate, 6), published)


@pytest.mark.slow
@pytest.mark.parametrize("ebno_db, published", [(-2.0, 0.586), (-1.5, 0.190)])
def test_4x16_mimo_over_flat_rayleigh_fading(ebno_db, published):
    encoder = LDPC5GEncoder(512, 1024)
    decoder = BPDecoder(encoder, num_iter=20)
    source, mapper, demapper = (
        BinarySource(),
        Mapper("qam", 4),
        Demapper("app", "qam", 4),
    )
    channel = FlatFadingChannel(4, 16, return_channel=True)
    no = ebnodb2no(ebno_db, 4, 0.5) * 4.0  # the tutorial's square root of 16 antennas

    @tf.function
    def simulate():
        b = source([200, 4, 512])
        x = tf.transpose(mapper(encoder(b)), [0, 2, 1])
        y, h = channel(tf.reshape(x, [-1, 4]), no)
        x_hat, no_eff = lmmse_equalizer(
            y, h, tf.complex(no, 0.0) * tf.eye(16, dtype=y.dtype)
        )
        restore = lambda v: tf.transpose(tf.reshape(v, [200, -1, 4]), [0, 2, 1])  # noqa: E731
        llr = demapper(restore(x_hat), restore(no_eff))
        return tf.reduce_any((decoder(llr) > 0) != (b > 0), axis=-1)

    assert near(*block_error_rate(simulate, 5), published)
