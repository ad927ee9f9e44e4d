import numpy as np
import pytest

from link_sim.models.bit_planes import CERTAIN
from link_sim.receivers.images.error_rate import STRIDE, hard_llr
from link_sim.receivers.images.pixel_bayes import log_histograms
from link_sim.world.sources import evaluation_digits

DIGITS = evaluation_digits()[:100]
SENT = np.unpackbits(DIGITS[..., None], axis=-1)


def received(rate):
    """LLRs of which only the signs mean something, and where these are wrong."""
    rng = np.random.default_rng(0)
    wrong = rng.random(SENT.shape) < rate
    size = rng.exponential(size=SENT.shape) + 0.01
    return (size * np.where(SENT ^ wrong, 1, -1)).astype("float32"), wrong


@pytest.mark.parametrize("rate", [0.4, 0.2, 0.05, 0.01])
def test_the_rate_of_wrong_bits_is_found(rate):
    llr, wrong = received(rate)
    found = np.asarray(hard_llr(llr, log_histograms("pixel-bayes-mnist")))
    assert np.array_equal(found > 0, llr > 0)
    assert np.allclose(np.abs(found), np.abs(found[:, :1, :1, :, :1]))  # one rate each
    rates = 1 / (1 + np.exp(np.abs(found[:, 0, 0, 0, 0])))
    # no estimate from the bits looked at is more precise than the share of wrong ones
    bits = SENT[0].size / STRIDE**2
    ideal = np.sqrt(rate * (1 - rate) / bits)
    assert abs(rates.mean() - rate) < 4 * ideal / np.sqrt(len(DIGITS)) + 0.06 * rate
    assert np.sqrt(np.mean((rates - rate) ** 2)) < 2 * ideal


def test_certain_bits_stay_certain_and_count_for_nothing():
    llr, wrong = received(0.1)
    some = np.arange(8) < 3
    llr = np.where(some, np.where(SENT, np.inf, -np.inf), llr).astype("float32")
    found = np.asarray(hard_llr(llr, log_histograms("pixel-bayes-mnist")))
    assert np.all(found[..., some] == np.where(SENT, CERTAIN, -CERTAIN)[..., some])
    rates = 1 / (1 + np.exp(np.abs(found[:, 0, 0, 0, 7])))
    assert abs(rates.mean() - 0.1) < 0.01


def test_without_knowledge_of_the_pixels_the_rate_stays_where_it_began():
    llr, _ = received(0.4)
    found = hard_llr(llr, np.zeros((28, 28, 1, 256), "float32"))
    assert np.allclose(np.abs(found), np.log(0.8 / 0.2), atol=1e-3)
