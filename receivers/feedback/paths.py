"""A codec of paths: angles, delays and gains of the strongest, levels for the rest.

Paths are those of `estimation.gridless`. How many are sent and how finely is chosen for
each field by the distortion that the rest of its bits promises, and sent with them.
"""

from typing import NamedTuple

import numpy as np

from link_sim.models.kronecker_mixture import covariances
from link_sim.receivers.estimation.gridless import Found, field, find_paths, places_of
from link_sim.receivers.feedback.arithmetic import Reader, Writer
from link_sim.receivers.feedback.codecs import STATES, Modes, coded, finite
from link_sim.receivers.feedback.path_words import FINENESS, PathWords, Sent
from link_sim.receivers.feedback.transform import Plan, plan, read, water_level, write

QUIET = 1e-4
"""Noise variance as whose paths are found: what is below its bar is left to levels."""
POWERS_DB = 9 - 3.0 * np.arange(21)
"""Of the rest, as a word may name them."""
NUMBERS = 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16
"""Paths that are tried."""
FEWEST = 20
"""Fields to learn what so many paths leave from."""
LOST = 1.15
"""Distortion of levels over that of the rate-distortion function, about."""
WORTH = 4
"""Bits for which the rest is quantised at all."""


class Choice(NamedTuple):
    """Paths sent of a field: their fineness, and what they are."""

    fine: int
    sent: Sent


class PathsCodec:
    """Learns from fields h [number, antennas, carriers] where paths are, and the rest.

    most : paths of a word at most
    """

    least = 16
    """Bits of a word for a path or for levels, and no less."""

    def __init__(self, h, most: int = 16):
        self._shape, self._most = h.shape[1:], most
        self._numbers = sorted({*(n for n in NUMBERS if n < most), most})
        found = _by_strength(find_paths(h, QUIET, most))
        self._words = PathWords(found, self._shape)
        self._modes = self._learned(h, found)
        self._grid = np.geomspace(WORTH, 8192, 56)
        self._curves = [
            [np.minimum(v, water_level(v, bits)).mean() for bits in self._grid]
            for v in (modes.variances for modes in self._modes)
        ]

    def encode(self, h, bits: int) -> list[str]:
        """Words of at most so many bits."""
        h = finite(h)
        chosen = self._chosen(h, bits)
        rest = h - np.stack([self._paths(choice) for choice in chosen])
        power = np.mean(np.abs(rest) ** 2, axis=(1, 2))
        power = 10 * np.log10(np.maximum(power, 1e-30))
        level = np.argmin(np.abs(power[:, None] - POWERS_DB), axis=1)
        rest *= 10 ** (-POWERS_DB[level] / 20)[:, None, None]
        plans = [self._plan(choice, bits) for choice in chosen]
        words = []
        some = [n for n, planned in enumerate(plans) if planned]
        z = [self._own(chosen[n]).of(rest[n, None])[0] for n in some]
        left = np.array([self._left(chosen[n], bits) for n in some])
        found = coded(z, [plans[n] for n in some], left)
        found = dict(zip(some, found, strict=True))
        for n, choice in enumerate(chosen):
            writer = Writer()
            for part in self._parts(choice):
                writer.put(*part)
            if n in found:
                writer.put(int(level[n]), 1, len(POWERS_DB))
                write(writer, found[n][0], plans[n], STATES)
            words.append(writer.word())
        return words

    def decode(self, words: list[str], bits: int) -> np.ndarray:
        """The fields of words."""
        fields = []
        for word in words:
            reader = Reader(word)
            count = reader.uniform(self._most + 1)
            fine = reader.uniform(len(FINENESS)) if count else 0
            choice = Choice(fine, self._words.read(reader, count))
            h, planned = self._paths(choice), self._plan(choice, bits)
            if planned:
                scale = 10 ** (POWERS_DB[reader.uniform(len(POWERS_DB))] / 20)
                h = h + scale * self._own(choice).field(read(reader, planned, STATES))
            fields.append(h)
        return np.stack(fields)

    def _learned(self, h, found: Found) -> list[Modes]:
        """Eigenmodes of what each number of paths leaves; of fewer where too little."""
        modes = []
        for number in self._numbers:
            rest = h - field(_first(found, number), places_of(self._shape))
            power = np.mean(np.abs(rest) ** 2, axis=(1, 2), keepdims=True)
            there = power[:, 0, 0] > 10 ** (POWERS_DB[-1] / 10)
            if number == 0 or there.sum() >= FEWEST:
                own = Modes(*covariances(rest[there] / np.sqrt(power[there])))
            modes.append(own)
        return modes

    def _chosen(self, h, bits: int) -> list[Choice]:
        """Of all numbers of paths and finenesses, what promises least distortion."""
        found = _by_strength(find_paths(h, QUIET, self._most))
        best, kept = np.full(len(h), np.inf), [None] * len(h)
        for number in self._numbers:
            for fine in range(len(FINENESS) if number else 1):
                sent = self._words.quantise(_first(found, number), h, fine)
                choices = [Choice(fine, each) for each in sent]
                rest = h - self._words.fields(sent, fine)
                power = np.mean(np.abs(rest) ** 2, axis=(1, 2))
                left = [self._left(choice, bits) for choice in choices]
                if max(left) < 0:
                    break  # finer ones cost more
                for n, choice in enumerate(choices):
                    hope = power[n] * self._promise(choice, left[n])
                    if hope < best[n]:
                        best[n], kept[n] = hope, choice
        return kept

    def _promise(self, choice: Choice, left: float) -> float:
        """Share of the rest's power that so many bits leave."""
        if left < WORTH:
            return 1.0 if left >= 0 else np.inf
        curve = self._curves[self._place(choice)]
        return min(LOST * float(np.interp(left, self._grid, curve)), 1.0)

    def _place(self, choice: Choice) -> int:
        return int(np.searchsorted(self._numbers, len(choice.sent.octave)))

    def _own(self, choice: Choice) -> Modes:
        return self._modes[self._place(choice)]

    def _paths(self, choice: Choice) -> np.ndarray:
        return self._words.fields([choice.sent], choice.fine)[0]

    def _parts(self, choice: Choice) -> list[tuple[int, int, int]]:
        count = len(choice.sent.octave)
        parts = [(count, 1, self._most + 1)]
        if count:
            parts.append((choice.fine, 1, len(FINENESS)))
        return parts + self._words.parts(choice.sent)

    def _left(self, choice: Choice, bits: int) -> int:
        """Bits for the levels of the rest."""
        used = sum(np.log2(total / size) for _, size, total in self._parts(choice))
        return int(np.floor(bits - used - np.log2(len(POWERS_DB)) - 1e-6))

    def _plan(self, choice: Choice, bits: int) -> Plan | None:
        left = self._left(choice, bits)
        if left < WORTH:
            return None
        return plan(self._own(choice).variances, left, STATES)


def _by_strength(found: Found) -> Found:
    order = np.argsort(-np.abs(found.gain), axis=1)
    turns = np.take_along_axis(found.turns, order[..., None], axis=1)
    return Found(turns, np.take_along_axis(found.gain, order, axis=1))


def _first(found: Found, number: int) -> Found:
    return Found(found.turns[:, :number], found.gain[:, :number])
