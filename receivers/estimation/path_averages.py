"""Sparse estimates that differ by chance, averaged: nearer the mean than the likeliest.

Where measurements are few and noisy, many sets of paths explain them. The set that is
found greedily is one of these; the mean of several, each begun in cells drawn with the
chances that the evidence gives them, comes nearer to the posterior mean (Elad and
Yavneh, "A plurality of sparse representations is better than the sparsest one alone",
IEEE Trans. Information Theory 2009, of pursuits on a grid).
"""

import numpy as np

from link_sim.receivers.estimation.linear_soundings import refuse_unseen
from link_sim.receivers.estimation.near_field import estimate, refuse_unknown
from link_sim.receivers.estimation.off_grid import find_paths
from link_sim.receivers.estimation.path_models import FreeGains

DRAWS = 8
"""Sets of paths."""


class Drawn(FreeGains):
    """Free gains; the cell where a path is looked for is drawn, not the best.

    A path of the best power adds T (f - 1 - ln f) to the log evidence, f = q / s, T
    columns; chances are its exponentials (drawn by the largest sum with Gumbel noise).
    """

    tail = 1e-3
    """What is no path in one set is none in most: a chance may be taken."""

    def __init__(self, array, m, nearest: float, rng):
        super().__init__(array, m, nearest)
        self.rng = rng

    def chosen(self, f, columns: int):
        f = np.maximum(f, 1)
        gain = columns * (f - 1 - np.log(f))
        return np.argmax(gain + self.rng.gumbel(size=f.shape), axis=1)


def off_grid_averaged(array, y, m, no, nearest: float):
    """The mean of `DRAWS` estimates as those of `near_field.off_grid`, free gains.

    Arguments and results as in `near_field_baselines`. The error variance is that of a
    mixture: the mean of those stated, and the spread of the estimates about theirs.
    """
    refuse_unseen(m)
    refuse_unknown(no)
    model = Drawn(array, m, nearest, np.random.default_rng(0))
    drawn = [estimate(model, y, no, find_paths(model, y, no)) for _ in range(DRAWS)]
    parts, stated = (np.stack(x) for x in zip(*drawn, strict=True))
    h_hat = np.mean(parts, axis=0)
    spread = np.mean(np.abs(parts - h_hat) ** 2, axis=(0, 2, 3))
    return h_hat, np.mean(stated, axis=0) + spread[:, None, None]
