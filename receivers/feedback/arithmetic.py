"""Arithmetic coding: symbols with known probabilities to words of bits and back.

The interval of a message is kept in integers (Witten, Neal and Cleary, "Arithmetic
coding for data compression", Communications of the ACM 1987); its lower end has as many
digits as it takes, so that no carry has to be waited for.
"""

import numpy as np

DIGITS = 16
"""Bits by which an interval grows that has become narrow."""
NARROW, WHOLE = 1 << 48, 1 << 64
"""Totals of frequencies up to 2^24 lose no more than a 2^-24th of an interval."""


class Writer:
    """Encodes symbols, each a part of a whole."""

    def __init__(self):
        self._low, self._width, self._places = 0, WHOLE, 64

    def put(self, start: int, size: int, total: int) -> None:
        """A symbol of probability size / total, `start` the sizes before it."""
        part = self._width // total
        self._low += part * start
        self._width = part * size
        while self._width < NARROW:
            self._low, self._width = self._low << DIGITS, self._width << DIGITS
            self._places += DIGITS

    def word(self) -> str:
        """The shortest word in the interval, of ceil(-log2 of its width) at most."""
        for length in range(self._places + 1):
            rest = self._places - length
            first = -(-self._low >> rest)
            if first << rest < self._low + self._width:
                return format(first, f"0{length}b") if length else ""
        raise AssertionError  # an interval has its lower end


class Reader:
    """Decodes a word; beyond its end there are zeros."""

    def __init__(self, word: str):
        self._word, self._read, self._width = word, 64, WHOLE
        self._value = int(word[:64].ljust(64, "0"), 2)
        self._part = 0

    def peek(self, total: int) -> int:
        """A number of the total that lies within the next symbol."""
        self._part = self._width // total
        return min(self._value // self._part, total - 1)

    def drop(self, start: int, size: int) -> None:
        """Goes beyond the symbol that was peeked into."""
        self._value -= self._part * start
        self._width = self._part * size
        while self._width < NARROW:
            digits = self._word[self._read : self._read + DIGITS].ljust(DIGITS, "0")
            self._value = (self._value << DIGITS) + int(digits, 2)
            self._width, self._read = self._width << DIGITS, self._read + DIGITS

    def uniform(self, total: int) -> int:
        """One of so many symbols that are all as likely."""
        symbol = self.peek(total)
        self.drop(symbol, 1)
        return symbol

    def among(self, starts: np.ndarray) -> int:
        """One of symbols of which `starts` has the sizes before each, and their sum."""
        symbol = int(np.searchsorted(starts, self.peek(int(starts[-1])), "right")) - 1
        self.drop(int(starts[symbol]), int(starts[symbol + 1] - starts[symbol]))
        return symbol
