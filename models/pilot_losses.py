"""Losses of denoisers from noisy observations alone: no clean signal is ever needed.

For y = x0 + sigma n, n ~ N(0, I), the error of an estimate D(y) is, per real element,

    E |D - x0|^2 = E |D - y|^2 - sigma^2 + 2 sigma^2 E div D

(Stein, "Estimation of the mean of a multivariate normal distribution", 1981). With
D = y + sigma^2 s this is, up to constants, Hyvarinen's score matching of the density of
y, E |s|^2 + 2 div s, so that the best D is Tweedie's, y + sigma^2 grad log p(y). What a
denoising autoencoder minimises tends to the same as the noise it adds vanishes.

Observations y = M h + n through a known M are denoised as they are, D being the
estimate of M h: the loss is then the error that M sees. Where its rows are orthonormal
that is generalised SURE (Eldar, "Generalized SURE for exponential families", IEEE TSP
2009); other M for other observations see all of h between them.
"""

from keras import ops

PROBE = 0.1
"""Step by which divergences are measured, over sigma."""


def sure(denoiser, y, sigma, signs):
    """Unbiased estimate of the squared error over sigma^2, per element: [batch, ...].

    The divergence is measured along random signs (Ramani, Blu and Unser, "Monte-Carlo
    SURE", IEEE TIP 2008).

    denoiser: (y, sigma) -> estimates like y, or [batch, rounds, ...] of several rounds.
    y: [batch, ...] real; sigma: per real element, broadcasts and has the batch axis;
    signs: +-1 at random, like y. Returns [batch], or [batch, rounds].
    """
    moved = y + PROBE * sigma * signs
    both = denoiser(ops.concatenate([y, moved]), ops.concatenate([sigma, sigma]))
    here, there = ops.split(both, 2)
    elements = len(y.shape) - 1
    y, sigma, signs = _for_rounds(here, y, sigma, signs)
    error = ((here - y) / sigma) ** 2 - 1
    error = error + 2 * signs * (there - here) / (PROBE * sigma)
    return _mean(error, elements)


def denoising_score(denoiser, y, sigma, u, share: float):
    """What a denoising autoencoder has left of the noise it added: [batch, ...].

        E |u + t s(y + t u)|^2,   t = share * sigma,   s(y) = (D(y) - y) / sigma^2

    is least for the score of y + t u (Vincent, "A connection between score matching and
    denoising autoencoders", 2011), and for that of y as `share` vanishes.

    u: N(0, 1), like y. Other arguments and what it returns as in `sure`.
    """
    moved = y + share * sigma * u
    found = denoiser(moved, sigma)
    elements = len(y.shape) - 1
    moved, sigma, u = _for_rounds(found, moved, sigma, u)
    return _mean((u + share * (found - moved) / sigma) ** 2, elements)


def _for_rounds(found, like, *others):
    """Arrays with an axis for the rounds that a denoiser returned, where it did."""
    if len(found.shape) == len(like.shape):
        return like, *others
    return tuple(z[:, None] for z in (like, *others))


def _mean(error, elements: int):
    """Over the last axes, those of the elements."""
    return ops.mean(error, axis=tuple(range(-elements, 0)))
