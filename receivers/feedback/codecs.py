"""Codecs of fields h [batch, antennas, carriers]: words of bits, and fields of words.

A codec has `encode(h, bits)`, which gives a word of '0' and '1' of at most so many bits
for each field, `decode(words, bits)`, which knows nothing else, and `least`, the fewest
bits that it can do with. Fields have a mean power of one.
"""

from typing import Protocol

import numpy as np

from link_sim.receivers.feedback.arithmetic import Reader, Writer
from link_sim.receivers.feedback.transform import (
    Coded,
    Plan,
    plan,
    quantise,
    read,
    water_level,
    write,
)
from link_sim.receivers.feedback.trellis import levels, parities

STATES = 64
"""Of the trellis."""
SHORTLIST = 4
"""Components of a mixture that are tried in full."""


class Basis(Protocol):
    """Modes of a field in which its components are independent.

    variances : of the components, falling
    """

    variances: np.ndarray

    def of(self, h) -> np.ndarray:
        """Components of fields, [batch, components]."""

    def field(self, z) -> np.ndarray:
        """The field of some first components, [antennas, carriers]."""


class Modes(Basis):
    """The eigenvectors of a Kronecker covariance.

    first, second : covariances of both axes of h
    """

    def __init__(self, first, second):
        (a, self._left), (b, self._right) = (
            np.linalg.eigh(first),
            np.linalg.eigh(second),
        )
        self.shape = len(a), len(b)
        power = np.outer(np.maximum(a, 0), np.maximum(b, 0)).ravel()
        self._order = np.argsort(-power, kind="stable")
        self.variances = power[self._order]

    def of(self, h) -> np.ndarray:
        z = self._left.conj().T @ h @ self._right.conj()
        return z.reshape(len(h), -1)[:, self._order]

    def field(self, z) -> np.ndarray:
        grid = np.zeros(self._order.size, complex)
        grid[self._order[: len(z)]] = z
        return self._left @ grid.reshape(self.shape) @ self._right.T


class PathModes(Basis):
    """The eigenvectors of the covariance of a sum of paths whose gains are unknown.

    powers : [paths]; waves : of each path along both axes, [paths, antennas] and
        [paths, carriers]
    """

    def __init__(self, powers, waves):
        left, right = waves[0] * np.sqrt(powers)[:, None], waves[1]
        self._shape = left.shape[1], right.shape[1]
        columns = left[:, :, None] * right[:, None, :]
        columns = columns.reshape(len(powers), -1).T
        self._vectors, values, _ = np.linalg.svd(columns, full_matrices=False)
        self.variances = values**2

    def of(self, h) -> np.ndarray:
        return h.reshape(len(h), -1) @ self._vectors.conj()

    def field(self, z) -> np.ndarray:
        return (self._vectors[:, : len(z)] @ z).reshape(self._shape)


def finite(h) -> np.ndarray:
    """Fields as they are. Raises `ValueError` for any that are not finite."""
    if not np.all(np.isfinite(h)):
        raise ValueError("h is not finite everywhere: leave such channels out")
    return np.asarray(h)


def coded(
    z, plans: list[Plan], bits, states: int = STATES
) -> list[tuple[Coded, float]]:
    """Levels for the components of fields, and squared errors.

    z : components of each, of any number; bits : of each
    """
    if not plans:
        return []
    most = max(len(each.scale) for each in plans) // 2
    first = np.stack([np.pad(each[:most], (0, max(most - len(each), 0))) for each in z])
    found = quantise(first, plans, bits, states)
    errors = []
    for own, told, planned in zip(z, found, plans, strict=True):
        level = levels(told.index, parities(told.index[None], states)[0])
        level = planned.step * planned.factors[told.factor] * level
        kept = level[::2] + 1j * level[1::2]
        error = own - np.pad(kept, (0, len(own) - len(kept)))
        errors.append(np.sum(np.abs(error) ** 2))
    return list(zip(found, errors, strict=True))


class GenieCodec:
    """Levels of the modes of each field's own covariance, which both ends know.

    states : of the trellis, 1 for scalar quantisation
    """

    least = 1

    def __init__(self, states: int = STATES):
        self._states = states

    def encode(self, h, bits: int, bases: list[Basis]) -> list[str]:
        """bases : the modes of each field."""
        h = finite(h)
        plans = [plan(each.variances, bits, self._states) for each in bases]
        z = [basis.of(x[None])[0] for basis, x in zip(bases, h, strict=True)]
        words = []
        found = coded(z, plans, np.full(len(h), bits), self._states)
        for (told, _), planned in zip(found, plans, strict=True):
            writer = Writer()
            write(writer, told, planned, self._states)
            words.append(writer.word())
        return words

    def decode(self, words: list[str], bits: int, bases: list[Basis]) -> np.ndarray:
        fields = []
        for word, basis in zip(words, bases, strict=True):
            planned = plan(basis.variances, bits, self._states)
            fields.append(basis.field(read(Reader(word), planned, self._states)))
        return np.stack(fields)


class TransformCodec:
    """Levels of the modes of one covariance, or of that which suits a field best.

    components : (weight, [antennas, antennas], [carriers, carriers]) each
    """

    def __init__(self, components):
        self._modes = [Modes(first, second) for _, first, second in components]
        self._index_bits = float(np.log2(len(self._modes)))
        self.least = int(np.ceil(self._index_bits)) + 1

    def encode(self, h, bits: int) -> list[str]:
        h = finite(h)
        plans, left = self._plans(bits), np.full(len(h), bits - self._index_bits)
        least, words = np.full(len(h), np.inf), [""] * len(h)
        for own in self.suited(h, bits).T:
            pairs = zip(own, h, strict=True)
            z = [self._modes[c].of(x[None])[0] for c, x in pairs]
            found = coded(z, [plans[c] for c in own], left)
            for n, (told, error) in enumerate(found):
                if error < least[n]:
                    writer = Writer()
                    writer.put(int(own[n]), 1, len(plans))
                    write(writer, told, plans[own[n]], STATES)
                    least[n], words[n] = error, writer.word()
        return words

    def decode(self, words: list[str], bits: int) -> np.ndarray:
        plans, fields = self._plans(bits), []
        for word in words:
            reader = Reader(word)
            own = reader.uniform(len(plans))
            z = read(reader, plans[own], STATES)
            fields.append(self._modes[own].field(z))
        return np.stack(fields)

    def _plans(self, bits: int) -> list[Plan]:
        left = bits - self._index_bits
        return [plan(each.variances, left, STATES) for each in self._modes]

    def suited(self, h, bits: int) -> np.ndarray:
        """Components that promise least distortion, [batch, `SHORTLIST` or fewer].

        The distortion is what water-filling leaves out, and what it leaves in the rest,
        more where their power is above their variance.
        """
        if len(self._modes) == 1:
            return np.zeros((len(h), 1), int)
        costs = []
        for modes in self._modes:
            level = water_level(modes.variances, bits - self._index_bits)
            count = int(np.sum(modes.variances > level))
            power = np.abs(modes.of(h)) ** 2
            there = np.sum(power[:, :count] / modes.variances[:count], axis=1)
            costs.append(power[:, count:].sum(axis=1) + level * there)
        return np.argsort(costs, axis=0)[:SHORTLIST].T


def reproduced(h, bits: int, bases: list[Basis], noise) -> np.ndarray:
    """Fields as the test channel of the rate-distortion function reproduces them.

    With D = min(level, variance), z_hat = (1 - D / variance) z + sqrt(D (1 - D /
    variance)) noise: of Gaussian fields no code does better (Cover and Thomas, section
    10.3.3). noise : complex [batch, components or more], of variance 1
    """
    fields = []
    for x, basis, own in zip(h, bases, noise, strict=True):
        level = water_level(basis.variances, bits)
        there = basis.variances > level
        keep = 1 - level / basis.variances[there]
        z = keep * basis.of(x[None])[0][there]
        z = z + np.sqrt(level * keep) * own[: len(z)]
        fields.append(basis.field(z))
    return np.stack(fields)
