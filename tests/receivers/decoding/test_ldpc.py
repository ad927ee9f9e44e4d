import keras
import numpy as np
import pytest
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

from link_sim.receivers.decoding.belief_propagation import QuasiCyclicBP
from link_sim.receivers.decoding.ldpc import LDPCDecoder

pytestmark = pytest.mark.usefixtures("eager")


def transmit(encoder, esno_db, seed=0):
    """Information bits, and the LLRs of their codewords, BPSK, one per Es/N0."""
    rng = np.random.default_rng(seed)
    no = 10 ** (-np.reshape(esno_db, [-1, 1]) / 10)
    b = rng.integers(0, 2, [len(no), encoder.k]).astype("float32")
    x = 2 * encoder(b).numpy() - 1
    noise = np.sqrt(no) * rng.standard_normal(x.shape)
    return b, tf.constant(2 * (x + noise) / no, tf.float32)


def sionna(encoder, num_iter, llr, jit_compile):
    decoder = LDPC5GDecoder(encoder, hard_out=False, num_iter=num_iter)
    return tf.function(decoder, jit_compile=jit_compile)(llr).numpy()


def iterate(encoder, llr, num_iter):
    bp = QuasiCyclicBP(encoder)
    total, messages = bp.run(bp.start(llr), bp.no_messages(len(llr)), num_iter)
    return bp.information(total).numpy()


@pytest.mark.parametrize(
    "k, n, bits", [(100, 200, 2), (600, 2400, 4), (1000, 1200, None), (3900, 7800, 6)]
)
def test_iterations_give_sionnas_llrs(k, n, bits):
    encoder = LDPC5GEncoder(k, n, bits)
    _, llr = transmit(encoder, np.linspace(-8, -4, 20))  # where float32 is precise
    expected = sionna(encoder, 5, llr, jit_compile=False)
    assert np.allclose(iterate(encoder, llr, 5), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.graphs
def test_twenty_iterations_are_as_close_as_sionnas_own_modes():
    encoder = LDPC5GEncoder(2736, 5472, 6)
    _, llr = transmit(encoder, np.linspace(-3, 3, 32))
    graph, xla = (sionna(encoder, 20, llr, mode) for mode in (False, True))

    def share_apart(a, b):
        return np.mean(~np.isclose(a, b, rtol=1e-3, atol=1e-3))

    ours = iterate(encoder, llr, 20)
    assert min(share_apart(ours, graph), share_apart(ours, xla)) <= share_apart(
        graph, xla
    )


@pytest.mark.slow
@pytest.mark.graphs
def test_a_million_bits_are_decided_as_sionna_does():
    encoder = LDPC5GEncoder(2736, 5472, 6)
    b, llr = transmit(encoder, np.tile(np.linspace(-1.0, 3.0, 32), 12))
    expected = sionna(encoder, 20, llr, jit_compile=True)
    found = LDPCDecoder(encoder, num_iter=20)(llr).numpy()
    errors = np.any((expected > 0) != b, axis=1)
    assert 0.2 < errors.mean() < 0.8
    assert found.size > 1e6
    assert np.array_equal(found > 0, expected > 0)


def test_a_codeword_takes_as_many_iterations_as_allowed_and_no_more():
    encoder = LDPC5GEncoder(100, 200, 2)
    _, llr = transmit(encoder, np.full(70, -3.0))  # more words than slots, no hope
    for num_iter in (1, 6):
        found = LDPCDecoder(encoder, num_iter)(llr).numpy()
        assert np.allclose(found, iterate(encoder, llr, num_iter), rtol=1e-5, atol=1e-5)


def test_a_codeword_that_is_found_leaves_early_with_the_right_signs():
    encoder = LDPC5GEncoder(100, 200, 2)
    b, llr = transmit(encoder, np.full(3, 6.0))
    found = LDPCDecoder(encoder, num_iter=50)(llr).numpy()
    assert np.array_equal(found > 0, b > 0)
    assert np.allclose(found, iterate(encoder, llr, 4), rtol=1e-5, atol=1e-5)


def test_iterations_can_be_continued_with_other_llrs():
    encoder = LDPC5GEncoder(100, 200, 2)
    _, llr = transmit(encoder, np.linspace(-3, 3, 8))
    bp = QuasiCyclicBP(encoder)
    channel, messages = bp.start(llr), bp.no_messages(8)
    whole = bp.run(channel, messages, 6)
    half = bp.run(channel, messages, 3)
    total, messages = bp.run(channel, half[1], 3)
    assert np.allclose(total, whole[0], rtol=1e-4, atol=1e-4)
    apriori = bp.spread(tf.fill([8, encoder.k], 5.0))
    known, _ = bp.run(channel + apriori, messages, 0)
    assert np.allclose(known - total, apriori, atol=1e-4)


def test_no_codeword_is_satisfied_by_chance_and_every_one_is():
    encoder = LDPC5GEncoder(600, 1201)
    bp = QuasiCyclicBP(encoder)
    _, llr = transmit(encoder, [8.0, 8.0, -5.0, -5.0])
    total, _ = bp.run(bp.start(llr), bp.no_messages(4), 10)
    assert np.array_equal(bp.satisfied(total), [True, True, False, False])


def test_shape_is_kept_and_the_decoder_can_be_saved():
    encoder = LDPC5GEncoder(100, 200, 2)
    _, llr = transmit(encoder, np.full(6, 1.0))
    decoder = LDPCDecoder(encoder, num_iter=5)
    expected = decoder(llr).numpy()
    assert np.array_equal(
        tf.reshape(decoder(tf.reshape(llr, [2, 3, 200])), [6, 100]), expected
    )
    config = keras.saving.serialize_keras_object(decoder)
    restored = keras.saving.deserialize_keras_object(config)
    assert np.array_equal(restored(llr), expected)
