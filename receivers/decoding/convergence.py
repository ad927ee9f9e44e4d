"""The convergence of joint decoding, predicted from its two halves.

Density evolution with sampled messages: decoder and source exchange LLRs as in
`JointDecoder`, but every message is dealt out anew at random, over all bits of all
images, before the other side sees it. Messages are then independent, as they would be
with an unlimited interleaver, and the information that each side gives as a function
of what it gets is an EXIT chart (ten Brink, "Convergence behavior of iteratively
decoded parallel concatenated codes", 2001) without the assumption that LLRs are
Gaussian. Where the tunnel opens is the predicted threshold, for the average image.
"""

import numpy as np
import tensorflow as tf


def mutual_information(bits, llr) -> float:
    """Information that LLRs hold about equiprobable bits: 1 - E[log2(1 + e^(-x llr))].

    bits : {0, 1}; x = 2 bits - 1. Exact for consistent LLRs (ten Brink, eq. 15).
    """
    x = 2 * np.asarray(bits, "float64") - 1
    return float(1 - np.mean(np.logaddexp(0, -x * llr)) / np.log(2))


def trajectory(decoder, b, llr, num_rounds=10, num_iter=20, seed=0) -> np.ndarray:
    """Mutual information on image bits, round by round: [num_rounds, 2].

    Of the extrinsic LLRs of the LDPC code (with the channel's) and those of the source.
    The joint decoder converges where the first column tends to 1.

    decoder : JointDecoder
    b, llr : information bits and LLRs of codewords, as in `JointDecoder`
    num_iter : BP iterations from scratch in each round
    """
    rng = np.random.default_rng(seed)
    transmitter = decoder.transmitter
    bits = transmitter.image_llr(tf.reshape(b, [-1, transmitter.k])).numpy()

    def shuffled(messages):
        x = (2 * bits - 1).ravel()
        return (rng.permutation(x * messages.numpy().ravel()) * x).reshape(bits.shape)

    points, apriori = [], tf.zeros([len(llr), transmitter.k])
    for _ in range(num_rounds):
        decoded = decoder.extrinsic_of_code(llr, apriori, num_iter)
        decoded = shuffled(transmitter.image_llr(decoded))
        learned = shuffled(decoder.extrinsic_of_source(tf.constant(decoded)))
        points.append([mutual_information(bits, m) for m in (decoded, learned)])
        apriori = transmitter.block_llr(tf.constant(learned))
    return np.array(points)


def threshold(information, low: float, high: float, tolerance=0.1) -> float:
    """The point between `low` and `high` dB from which on decoding converges.

    information : function of the point that returns `trajectory`
    """
    while high - low > tolerance:
        middle = (low + high) / 2
        if information(middle)[-1, 0] > 0.99:
            high = middle
        else:
            low = middle
    return (low + high) / 2
