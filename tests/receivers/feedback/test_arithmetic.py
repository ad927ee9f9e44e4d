"""Words of bits: what is written is read, and is as long as its probability says."""

import numpy as np
import pytest

from link_sim.receivers.feedback.arithmetic import Reader, Writer


@pytest.mark.parametrize("seed", range(20))
def test_words_are_read_again_and_no_longer_than_their_information(seed):
    rng = np.random.default_rng(seed)
    messages, information, writer = [], 0.0, Writer()
    for _ in range(rng.integers(1, 200)):
        size = rng.integers(1, 1 << rng.integers(1, 19), rng.integers(1, 6))
        starts = np.concatenate([[0], np.cumsum(size)])
        symbol = int(rng.choice(len(size), p=size / size.sum()))
        writer.put(int(starts[symbol]), int(size[symbol]), int(starts[-1]))
        messages.append((starts, symbol))
        information += np.log2(starts[-1] / size[symbol])
    word = writer.word()
    assert len(word) <= np.ceil(information + 1e-6)
    reader = Reader(word)
    assert [reader.among(starts) for starts, _ in messages] == [s for _, s in messages]


def test_a_word_of_likely_symbols_alone_is_empty():
    writer = Writer()
    for _ in range(10):
        writer.put(0, 1000, 1001)
    assert writer.word() == ""
    reader = Reader("")
    assert [reader.among(np.array([0, 1000, 1001])) for _ in range(10)] == [0] * 10
