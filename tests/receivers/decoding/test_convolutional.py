import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from sionna.phy.fec.conv import BCJRDecoder

from link_sim.receivers.decoding.convolutional import POLYNOMIALS, ConvolutionalCode

pytestmark = pytest.mark.usefixtures("eager")


def test_llrs_are_those_of_all_words():
    code = ConvolutionalCode(5)
    b = np.array(list(itertools.product([0, 1], repeat=5)), "float32")
    words = code.encode(tf.constant(b)).numpy()
    assert words.shape == (32, code.n) and code.n == 22
    llr = np.random.default_rng(1).normal(0, 2, (3, code.n)).astype("float32")
    coded, information = code.decode(tf.constant(llr))
    weight = llr @ words.T  # log probabilities of the words

    def marginal(bits):
        one, zero = (np.where(bits.T == value, 0, -np.inf) for value in (1, 0))
        each = [logsumexp(weight[:, None] + z, axis=2) for z in (one, zero)]
        return each[0] - each[1]

    np.testing.assert_allclose(information, marginal(b), atol=1e-4)
    np.testing.assert_allclose(coded, marginal(words) - llr, atol=1e-4)


def test_information_is_that_of_sionnas_decoder():
    code = ConvolutionalCode(42)
    rng = np.random.default_rng(2)
    b = rng.integers(0, 2, (4, 42)).astype("float32")
    sent = 2 * code.encode(tf.constant(b)).numpy() - 1
    llr = tf.constant(2 * (sent + rng.standard_normal(sent.shape)), tf.float32)
    theirs = BCJRDecoder(gen_poly=POLYNOMIALS, terminate=True, hard_out=False)(llr)
    np.testing.assert_allclose(code.decode(llr)[1], theirs, atol=1e-3)


def test_bits_that_are_sure_of_no_word_still_tell_of_one():
    """Every tenth bit is wrong, and surer than a probability can say."""
    code = ConvolutionalCode(42)
    rng = np.random.default_rng(3)
    b = rng.integers(0, 2, (4, 42)).astype("float32")
    sent = 2 * code.encode(tf.constant(b)).numpy() - 1
    sent[:, 5::10] *= -1
    coded, information = code.decode(tf.constant(3000 * sent))
    assert np.all(np.isfinite(coded))
    np.testing.assert_array_equal(information > 0, b)
