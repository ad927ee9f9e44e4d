"""Expectation propagation for MIMO detection, batched, in single precision."""

import keras
import numpy as np
from keras import ops

from link_sim.models.approximate_messages import gaussian_logits, moments
from link_sim.receivers.detection.mimo import MIMODetector

SMALL = 1e-4
"""Least precision that a cavity may keep, of what its matched filter has."""

JITTER = 4e-6
"""Added to the diagonal of H^T H, as a share of it: what rounding may take from it."""


@keras.saving.register_keras_serializable("link_sim")
class EPDetector(MIMODetector):
    """A posteriori LLRs by expectation propagation.

    Every real element keeps a Gaussian factor exp(gamma x - lambda x^2 / 2) in place of
    its levels. In each iteration the Gaussian posterior without an element's own factor
    (its cavity) is multiplied by the levels, and the factor becomes the one that gives
    the product's mean and variance (Cespedes, Olmos, Sanchez-Fernandez and Perez-Cruz,
    IEEE Trans. Commun. 2014). Decided from the last cavity. Does what
    `sionna.phy.mimo.EPDetector` does, which computes in double precision.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10
    num_iter : int
    step : share of the new factors that is taken, 0 to 1

    Input, output : as in `MIMODetector`
    """

    overloaded = True

    def __init__(self, num_bits_per_symbol, num_iter=10, step=0.1, **kwargs):
        super().__init__(num_bits_per_symbol, **kwargs)
        self.num_iter, self.step = num_iter, step

    def logits(self, y, h, noise, prior):
        return expectation_propagation(
            y, h, noise, prior, self.levels, self.num_iter, self.step
        )

    def multiplications(self, antennas, streams):
        rows, columns = 2 * antennas, 2 * streams
        each = 2 * columns**3 // 3 + 5 * columns**2  # a factor and its inverse
        return rows * columns * (columns + 2) + self.num_iter * each

    def get_config(self):
        return super().get_config() | {"num_iter": self.num_iter, "step": self.step}


def expectation_propagation(y, h, noise, prior, levels, num_iter, step):
    """Logits [batch, columns, levels] for y = h x + n with real levels x.

    y [batch, rows], h [batch, rows, columns], noise [batch], prior [batch, columns,
    levels]. Single precision serves: the posterior precision is scaled to a unit
    diagonal before it is factored, and a cavity's precision, a difference of large
    numbers, is kept between 0 and that of the matched filter, which bounds it.
    """
    weighted = h / noise[:, None, None]
    weighted = ops.swapaxes(weighted, -1, -2)
    gram, matched = weighted @ h, (weighted @ y[..., None])[..., 0]
    most = ops.diagonal(gram, axis1=-2, axis2=-1)
    raised = (1 + JITTER) * most
    mean, variance = moments(prior, levels)
    own, shift = 1 / variance, mean / variance
    for iteration in range(num_iter):
        mean, variance = _posterior(gram, raised + own, matched + shift)
        cavity = ops.minimum(ops.maximum(1 / variance - own, SMALL * most), most)
        centre = (mean / variance - shift) / cavity
        logits = gaussian_logits(centre, 1 / cavity, levels) + prior
        if iteration < num_iter - 1:
            mean, variance = moments(logits, levels)
            new = 1 / variance - cavity
            change = step * ops.cast(new > 0, "float32")
            own = own + change * (new - own)
            shift = shift + change * (mean / variance - centre * cavity - shift)
    return logits


def _posterior(gram, diagonal, b):
    """A^-1 b and the diagonal of A^-1, of `gram` with another diagonal: [batch, n]."""
    scale, eye = ops.rsqrt(diagonal), np.eye(gram.shape[-1], dtype="float32")
    unit = gram * scale[:, None] * scale[..., None]
    unit = ops.where(ops.convert_to_tensor(eye) > 0, 1.0, unit)
    eye = ops.broadcast_to(eye, ops.shape(unit))
    inverse = ops.linalg.solve_triangular(ops.linalg.cholesky(unit), eye, lower=True)
    mean = ops.swapaxes(inverse, -1, -2) @ (inverse @ (b * scale)[..., None])
    return mean[..., 0] * scale, ops.sum(ops.square(inverse), 1) * ops.square(scale)
