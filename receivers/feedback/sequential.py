"""A codec that asks for one projection after the other, each chosen by those before.

Both ends hold the posterior of the field given all that was sent, and find the next
direction in it by themselves: the leading eigenvector of its covariance (adaptive
compressed sensing by posterior sampling, Elata, Michaeli and Elad, ECCV 2024, where the
covariance is that of samples; that of a mixture of Gaussians is known). The user sends
the cell in which its projection lies. Both ends must calculate alike to the last bit.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from link_sim.receivers.feedback.arithmetic import Reader, Writer
from link_sim.receivers.feedback.codecs import Modes, TransformCodec, finite
from link_sim.receivers.feedback.mixture_posterior import MixturePosterior
from link_sim.receivers.feedback.transform import SPARE, STEPS
from link_sim.receivers.feedback.trellis import TOTAL

WIDEST, MOST = 8.0, 500
"""Cells to each side reach so many standard deviations, and are so many at most."""
SHARE = 0.85
"""Of the bits left that water-filling counts on: scalar cells cost more than it."""
ALL = -1e30, 1e30


class Cells:
    """Intervals of a real projection, and what each costs.

    weights, means, spreads : of the components of its distribution; step : of a cell
    """

    def __init__(self, weights, means, spreads, step: float):
        self._middle, self._step = weights @ means, step
        reach = np.max(np.abs(means - self._middle) + WIDEST * spreads)
        self._most = most = int(min(np.ceil(reach / step), MOST))
        inner = self._middle + step * (np.arange(-most, most) + 0.5)
        below = weights @ ndtr((inner - means[:, None]) / spreads[:, None])
        p = np.diff(np.concatenate([[0], below, [1]]))
        size = 1 + np.floor(np.maximum(p, 0) * (TOTAL - len(p) - 1)).astype(int)
        size[most] += TOTAL - size.sum()
        self.starts = np.concatenate([[0], np.cumsum(size)])
        self.bits = -np.log2(size / TOTAL)
        self._edges = np.concatenate([ALL[:1], inner, ALL[1:]])

    def nearest(self, u: float, bits: float) -> int:
        """The cell of u, or the nearest that costs no more than so many bits."""
        own = self._most + (u - self._middle) / self._step
        far = np.abs(np.arange(len(self.bits)) - own)
        return int(np.argmin(np.where(self.bits <= bits, far, np.inf)))

    def ends(self, n: int) -> tuple[float, float]:
        return float(self._edges[n]), float(self._edges[n + 1])


class SequentialCodec:
    """Cells of projections under a mixture of Gaussians.

    components : (weight, [antennas, antennas], [columns, columns]) each
    """

    def __init__(self, components):
        self._transform = TransformCodec(components)
        whole = [(w, Modes(*ends)) for w, *ends in components]
        self._priors = [whole, *([each] for each in whole)]
        self._index_bits = float(np.log2(len(self._priors)))
        self.least = int(np.ceil(self._index_bits)) + 1

    def encode(self, h, bits: int) -> list[str]:
        """Words of at most so many bits.

        Fields that are not of the mixture mislead its posterior: so a word begins with
        the prior, all components or the one that suits, as leaves the least error.
        """
        h, words = finite(h), []
        for field, suited in zip(h, self._transform.suited(h, bits), strict=True):
            tried = [self._encoded(field, bits, n) for n in (0, 1 + int(suited[0]))]
            words.append(min(tried)[1])
        return words

    def _encoded(self, field, bits: int, prior: int) -> tuple[float, str]:
        """Error and word."""
        writer = Writer()
        writer.put(prior, 1, len(self._priors))

        def tell(u, cells, left):
            n = cells.nearest(u, left)
            start, end = cells.starts[n : n + 2]
            writer.put(int(start), int(end - start), TOTAL)
            return n

        field = field.ravel().astype(complex)
        mean = self._told(prior, bits, tell, field).mean
        return float(np.linalg.norm(field - mean)), writer.word()

    def decode(self, words: list[str], bits: int) -> np.ndarray:
        """Means of what the words leave open."""
        shape = self._priors[0][0][1].shape
        means = [self.posterior(word, bits).mean for word in words]
        return np.reshape(means, (len(words), *shape))

    def posterior(self, word: str, bits: int) -> MixturePosterior:
        """What the base station knows; its `samples` are fields that may be."""
        reader = Reader(word)
        prior = reader.uniform(len(self._priors))
        return self._told(
            prior, bits, lambda u, cells, left: reader.among(cells.starts)
        )

    def _told(self, prior: int, bits: int, tell: Callable, field=None):
        """Both ends: `tell` sends or reads the cell of each projection of the field."""
        posterior = MixturePosterior(self._priors[prior])
        left = bits - self._index_bits - SPARE
        for _ in range(bits):
            a, step = posterior.direction(), self._step(posterior, left)
            predicted, weights = posterior.predict(a), posterior.weights
            means = np.array([mean for _, mean, _ in predicted])
            spreads = np.sqrt([s / 2 for *_, s in predicted])
            u = 0j if field is None else np.vdot(a, field)
            ends = []
            for mean, own in ((means.real, u.real), (means.imag, u.imag)):
                cells = Cells(weights, mean, spreads, step)
                if cells.bits.min() > left:
                    break
                n = tell(own, cells, left)
                left -= cells.bits[n]
                ends.append(cells.ends(n))
                low, high = ((end - mean) / spreads for end in ends[-1])
                weights = weights * np.maximum(ndtr(high) - ndtr(low), 1e-100)
                weights /= weights.sum()
            if not ends:
                break
            posterior.observe(a, predicted, (*ends, ALL)[:2])
        return posterior

    def _step(self, posterior: MixturePosterior, left: float) -> float:
        return 2 * STEPS[False] * np.sqrt(posterior.level(SHARE * left))
