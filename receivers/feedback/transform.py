"""Gaussian vectors of known variances in few bits: water-filling, levels, words."""

from typing import NamedTuple

import numpy as np

from link_sim.receivers.feedback.trellis import (
    MOST,
    TOTAL,
    frequencies,
    levels,
    parities,
    scale_index,
    search,
    trellis,
)

STEPS = {False: 1.25, True: 1.68}
"""Step, half the distance of a state's levels, over the root of the water level:
scalar, and with a trellis."""
COUNTED = 0.8
"""Share of the distortion by which reproductions have less variance."""
LEAST = 0.05
"""Share of the variance that reproductions keep at least."""
FEW, RICH = 64, 3.0
"""Words name a factor of the step for fewer real numbers, of so many bits each: the
bits of few spread widely around their mean, and a price does little about it."""
FACTORS = 1.0, 1.5, 2.0, 4.0
"""Of the step and of the scale with it, for vectors stronger than their variances."""
SPARE = 0.01
"""Bits left: the integers of the coder lose up to 2^-27 for each of 2^20 numbers."""
HIGHEST, LOWEST, HALVINGS = 12.0, -5.0, 9
"""Price of a bit over that of the rate-distortion function [octaves]; its search."""


def water_level(variances, bits: float) -> float:
    """Distortion of each component of a Gaussian vector by reverse water-filling.

    sum max(0, log2(variance / level)) = bits, for complex components (Cover and Thomas,
    "Elements of information theory", theorem 10.3.3, each counted twice).
    variances : falling. No level is below -120 dB of the first.
    """
    if variances[0] <= 0:
        return 0.0
    logs = np.log2(np.maximum(variances, 1e-30 * variances[0]))
    level = (np.cumsum(logs) - bits) / np.arange(1, len(logs) + 1)
    found = 2.0 ** level[np.flatnonzero(level < logs)[-1]]
    return float(max(found, 1e-12 * variances[0]))


class Plan(NamedTuple):
    """How a vector is quantised: step, and a scale for each real number coded.

    factors : of the step, of which words name one
    """

    step: float
    level: float
    scale: np.ndarray
    factors: tuple[float, ...] = FACTORS[:1]


class Coded(NamedTuple):
    """A vector as a word tells it: which of the plan's factors, and levels."""

    factor: int
    index: np.ndarray


def plan(variances, bits: float, states: int) -> Plan:
    """For components whose variances fall, and so many bits for their levels."""
    found = _fitted(variances, bits - SPARE, states)
    count = len(found.scale)
    if not 0 < count < FEW or bits < RICH * count:
        return found
    left = bits - SPARE - np.log2(len(FACTORS))
    return _fitted(variances, left, states)._replace(factors=FACTORS)


def _fitted(variances, bits: float, states: int) -> Plan:
    level = water_level(variances, bits)
    there = np.repeat(variances[variances > level], 2) / 2
    if not len(there):
        return Plan(1.0, 1.0, np.zeros(0, int))
    spread = np.sqrt(np.maximum(there - COUNTED * level / 2, LEAST * there))
    finest = spread.max() / (MOST / 4)  # levels reach 8 of the largest spread
    step = max(STEPS[states > 1] * np.sqrt(level), finest)
    level = (step / STEPS[states > 1]) ** 2
    while True:
        scale = scale_index(spread / step)
        if frequencies().bits[scale, 0, 0].sum() <= bits:
            return Plan(step, level, scale)
        step *= 1.1


def quantise(z, plans: list[Plan], bits, states: int) -> list[Coded]:
    """Levels of vectors z, complex [rows, components], variances falling.

    bits : of each. Of the factors that its plan has, the one of least error.
    """
    told = [Coded(0, np.zeros(len(each.scale), int)) for each in plans]
    least = np.full(len(z), np.inf)
    left = bits - SPARE - np.log2([len(each.factors) for each in plans])
    for factor, larger in enumerate(FACTORS):
        rows = [n for n, each in enumerate(plans) if factor < len(each.factors)]
        if not rows:
            break
        own = [
            plans[n]._replace(
                step=larger * plans[n].step, level=larger**2 * plans[n].level
            )
            for n in rows
        ]
        for n, index, error in zip(
            rows, *_priced(z[rows], own, left[rows], states), strict=True
        ):
            if error < least[n]:
                told[n], least[n] = Coded(factor, index), error
    return told


def _priced(z, plans: list[Plan], budgets, states: int) -> tuple[list, np.ndarray]:
    """Indices of levels and squared errors: the price of a bit is the lowest that
    keeps within the budgets."""
    longest = max(len(each.scale) for each in plans)
    scale = np.stack([_padded(each.scale, longest) for each in plans])
    step = np.array([each.step for each in plans])
    x = np.stack([z.real, z.imag], axis=-1).reshape(len(z), -1)[:, :longest]
    inside = np.arange(longest) < [[len(each.scale)] for each in plans]
    x = np.where(inside, x / step[:, None], 0)
    base = np.log(2) * np.array([each.level for each in plans]) / step**2
    low, high = np.full(len(x), LOWEST), np.full(len(x), HIGHEST)
    best, least = np.zeros(x.shape, int), np.full(len(x), np.inf)
    for octave in [high] + [None] * HALVINGS:
        middle = (low + high) / 2 if octave is None else octave
        index = search(x, scale, base * 2.0**middle, states)
        odd = parities(index, states)
        bits = frequencies().bits[scale, odd, np.abs(index)].sum(axis=1)
        error = np.sum((x - levels(index, odd)) ** 2, axis=1)
        fits = bits <= budgets
        better = fits & (error < least)
        best[better], least[better] = index[better], error[better]
        high, low = np.where(fits, middle, high), np.where(fits, low, middle)
    found = [row[: len(each.scale)] for row, each in zip(best, plans, strict=True)]
    return found, least * step**2


def _padded(scale, length: int) -> np.ndarray:
    return np.pad(scale, (0, length - len(scale)))


def write(writer, told: Coded, planned: Plan, states: int) -> None:
    """Appends one vector to a word."""
    index = told.index
    writer.put(told.factor, 1, len(planned.factors))
    below = frequencies().below
    places = 2 * np.abs(index) - (index > 0)
    for place, odd, own in zip(
        places, parities(index[None], states)[0], planned.scale, strict=True
    ):
        row = below[own, odd]
        writer.put(int(row[place]), int(row[place + 1] - row[place]), TOTAL)


def read(reader, planned: Plan, states: int) -> np.ndarray:
    """The vector that `write` put there, complex, as long as it was coded."""
    (odd, following), below = trellis(states), frequencies().below
    step = planned.step * planned.factors[reader.uniform(len(planned.factors))]
    state, found = 0, np.empty(len(planned.scale))
    for n, own in enumerate(planned.scale):
        place = reader.among(below[own, odd[state]])
        index = (place + 1) // 2 * (1 if place % 2 else -1)
        found[n] = levels(index, odd[state])
        state = following[state, index & 1]
    return step * (found[::2] + 1j * found[1::2])
