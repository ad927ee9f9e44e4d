"""How often the bits of a hard-decided image are wrong, as the image itself tells."""

from keras import ops

from link_sim.models.bit_planes import CERTAIN, bit_posteriors
from link_sim.receivers.images.bits import certain_bits

STRIDE = 2
"""Every second pixel in each direction is looked at: a quarter, and enough."""
ITERATIONS = 5


def hard_llr(llr, log_prior):
    """LLRs of hard bits, all wrong at the rate p under which the image is likeliest.

        llr_i = (2 b_i - 1) log((1 - p) / p),  p <- mean_i Pr(b_i is wrong | image, p)

    by expectation maximisation (Dempster, Laird and Rubin 1977) with independent
    pixels. Only the signs of `llr` count; certain bits (+-inf) stay so.

    Args:
        llr: [batch, height, width, channels, 8].
        log_prior: log p(v) of each level at each pixel up to a constant, [height,
            width, channels, 256].
    """
    signs, certain = ops.where(llr > 0, 1.0, -1.0), certain_bits(llr)
    some = signs[:, ::STRIDE, ::STRIDE], certain[:, ::STRIDE, ::STRIDE]
    log_prior = log_prior[::STRIDE, ::STRIDE]
    rate = ops.full((ops.shape(llr)[0], 1, 1, 1, 1), 0.2)
    for _ in range(ITERATIONS):
        logits = bit_posteriors(_at_rate(*some, rate), log_prior)
        wrong = ops.where(some[1], 0.0, ops.sigmoid(-some[0] * logits))
        axes = 1, 2, 3, 4
        uncertain = ops.sum(1.0 - ops.cast(some[1], "float32"), axes, keepdims=True)
        rate = ops.sum(wrong, axes, keepdims=True) / ops.maximum(uncertain, 1.0)
        rate = ops.clip(rate, 1e-4, 0.5)
    return _at_rate(signs, certain, rate)


def _at_rate(signs, certain, rate):
    return signs * ops.where(certain, CERTAIN, ops.log((1 - rate) / rate))
