"""Trellis-coded quantisation with entropy coding, searched by Viterbi's algorithm.

Levels are the even or the odd multiples of a step, as a state says, and zero with both;
the parity of a level's index leads to the next state (Fischer and Wang,
"Entropy-constrained trellis-coded quantization", IEEE Trans. IT 1992; zero in both:
Schwarz et al., "Hybrid video coding with trellis-coded quantization", DCC 2019). Codes
are those of Ungerboeck for one dimension ("Trellis-coded modulation with redundant
signal sets II", IEEE Communications Magazine 1987, table I). Of one state, the trellis
is a scalar quantiser of even levels.

A level l of a number of variance s^2 has a probability of exp(-l^2 / 2 t^2) over their
sum, where t^2 is near s^2 less the distortion: Gaussian reproductions, as the
rate-distortion function asks for.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

PARITIES = {
    4: (0o5, 0o2),
    8: (0o13, 0o4),
    16: (0o23, 0o4),
    32: (0o45, 0o10),
    64: (0o103, 0o24),
}
"""Parity-check polynomials of the systematic codes by their states."""
MOST = 1023
"""Largest index of a level."""
PER_OCTAVE, SMALLEST, SCALES = 8, 2.0**-3, 105
"""Scales t of levels [steps], for which probabilities are kept."""
TOTAL = 1 << 20
"""Of the frequencies of all levels."""


class Trellis(NamedTuple):
    """odd : whether a state has the odd levels, [states]
    following : the next state by the parity of the index, [states, 2]
    """

    odd: np.ndarray
    following: np.ndarray


@cache
def trellis(states: int) -> Trellis:
    """The trellis of 1 (scalar), 4, 8, 16, 32 or 64 states."""
    if states == 1:
        return Trellis(np.zeros(1, int), np.zeros((1, 2), int))
    first, second = PARITIES[states]
    state = np.arange(states)[:, None]
    odd = state & 1
    following = (state >> 1) ^ (odd * (first >> 1)) ^ ([0, 1] * np.array(second >> 1))
    return Trellis(odd[:, 0], following)


def levels(index, odd):
    """Levels [steps] of indices, of the even or the odd ones."""
    return 2 * index - np.sign(index) * odd


def scale_index(scale) -> np.ndarray:
    """Where a scale t [steps] stands among `SCALES`."""
    found = np.round(PER_OCTAVE * np.log2(np.maximum(scale, SMALLEST) / SMALLEST))
    return np.minimum(found.astype(int), SCALES - 1)


class Frequencies(NamedTuple):
    """Of the indices 0, 1, -1, 2, ... by scale and parity of the levels.

    below : sums of those before each, int [scales, 2, 2 MOST + 2]
    bits : -log2 of the probabilities by magnitude, [scales, 2, MOST + 1]
    """

    below: np.ndarray
    bits: np.ndarray


@cache
def frequencies() -> Frequencies:
    index = np.arange(MOST + 1)
    level = levels(index, np.array([[0], [1]]))
    scale = SMALLEST * 2.0 ** (np.arange(SCALES) / PER_OCTAVE)
    p = np.exp(-(level**2) / (2 * scale[:, None, None] ** 2))
    p /= 2 * p.sum(axis=2, keepdims=True) - 1
    size = 1 + np.floor(p * (TOTAL - 2 * MOST - 1)).astype(int)
    size[..., 0] += TOTAL - size[..., 0] - 2 * size[..., 1:].sum(axis=2)
    both = np.repeat(size, 2, axis=2)[..., 1:]
    below = np.concatenate([np.zeros_like(both[..., :1]), np.cumsum(both, 2)], axis=2)
    return Frequencies(below, -np.log2(size / TOTAL))


def search(x, scale, price, states: int) -> np.ndarray:
    """Indices whose squared error plus price times bits is least, [rows, length].

    x : [rows, length] [steps]; scale : of each, see `scale_index`
    price : [rows], of a bit [steps^2]
    """
    odd, following = trellis(states)
    cost, index = _branches(x, scale, price)
    if states == 1:
        best = np.argmin(cost[:, :, 0], axis=2)[..., None]
        return np.take_along_axis(index[:, :, 0], best, axis=2)[..., 0]
    came = [np.argwhere(following == state) for state in range(states)]
    before, parity = np.moveaxis(np.array(came), 2, 0)  # [states, 2] each
    rows, which = len(x), odd[before]
    total = np.full((rows, states), np.inf)
    total[:, 0] = 0
    back = np.empty((x.shape[1], rows, states), bool)
    for n in range(x.shape[1]):
        found = total[:, before] + cost[:, n][:, which, parity]
        back[n] = found[..., 1] < found[..., 0]
        total = np.min(found, axis=2)
    return _traced(back, np.argmin(total, axis=1), index, (before, parity, odd))


def _branches(x, scale, price):
    """Costs and indices of the best levels, [rows, length, even or odd, parity]."""
    bits = frequencies().bits
    size, sign = np.abs(x), np.where(x < 0, -1, 1)
    t = SMALLEST * 2.0 ** (scale / PER_OCTAVE)
    pull = size / (1 + price[:, None] / (2 * np.log(2) * t**2))
    costs, indices = [], []
    for odd in (0, 1):
        for parity in (0, 1):
            near = np.stack([pull, size, 0 * size])  # rare ones cost no more and more
            index = 2 * np.round(((near + odd) / 2 - parity) / 2).astype(int) + parity
            index = np.clip(index, parity, MOST - 1 + parity)
            index[2] = parity
            cost = (size - levels(index, odd)) ** 2
            cost += price[:, None] * bits[scale, odd, index]
            best = np.argmin(cost, axis=0)[None]
            costs.append(np.take_along_axis(cost, best, 0)[0])
            indices.append(sign * np.take_along_axis(index, best, 0)[0])
    shape = (*x.shape, 2, 2)
    return (np.stack(z, axis=-1).reshape(shape) for z in (costs, indices))


def _traced(back, state, index, ways) -> np.ndarray:
    before, parity, odd = ways
    rows, found = np.arange(len(state)), np.empty(index.shape[:2], int)
    for n in range(len(back) - 1, -1, -1):
        way = back[n, rows, state].astype(int)
        own, state = parity[state, way], before[state, way]
        found[:, n] = index[rows, n, odd[state], own]
    return found


def parities(index, states: int) -> np.ndarray:
    """Whether the levels of indices are the odd ones, as `index` [rows, length]."""
    odd, following = trellis(states)
    state, found = np.zeros(len(index), int), np.empty_like(index)
    for n in range(index.shape[1]):
        found[:, n] = odd[state]
        state = following[state, index[:, n] & 1]
    return found
