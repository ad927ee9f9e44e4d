"""Annealed Langevin dynamics for MIMO detection."""

import keras
import numpy as np
import tensorflow as tf

from link_sim.models.approximate_messages import gaussian_logits, moments
from link_sim.receivers.detection.mimo import MIMODetector

SIGMAS = 1.0, 0.01
"""Noise levels that a walk begins and ends with."""
RATE, TEMPERATURE = 3e-5, 0.5
"""Of a step; as published."""


@keras.saving.register_keras_serializable("link_sim")
class LangevinDetector(MIMODetector):
    """A posteriori LLRs from random walks to likely symbols.

    Walks over noisy symbols x + sigma w follow the score of their posterior while sigma
    falls. In the eigenvectors of H^T H the likelihood of noisy symbols falls apart into
    elements, and each takes steps of its own length (Zilberstein, Dick,
    Doost-Mohammady, Sabharwal and Segarra, "Annealed Langevin dynamics for massive MIMO
    detection", IEEE TWC 2023). The LLRs sum the likelihoods of the vectors where the
    walks end, and of those that differ from them in one element.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10
    num_sigmas, num_steps : noise levels, and steps at each
    num_walks : for each vector
    seed : of the walks, which are the same for all vectors

    Input, output : as in `MIMODetector`
    """

    def __init__(
        self,
        num_bits_per_symbol,
        num_sigmas=20,
        num_steps=70,
        num_walks=4,
        seed=0,
        **kwargs,
    ):
        super().__init__(num_bits_per_symbol, **kwargs)
        self.num_sigmas, self.num_steps = num_sigmas, num_steps
        self.num_walks, self.seed = num_walks, seed
        self._walk = tf.function(self._walked, autograph=False)

    def logits(self, y, h, noise, prior):
        gram = tf.matmul(h, h, transpose_a=True)
        matched = tf.matmul(h, y[..., None], transpose_a=True)[..., 0]
        # every walk in one batch, the walks of a vector side by side
        gram, matched, noise, prior = (
            tf.repeat(a, self.num_walks, axis=0) for a in (gram, matched, noise, prior)
        )
        logits = self._at_the_end(
            self._walk(gram, matched, noise, prior), gram, matched, noise, prior
        )
        walks = tf.reshape(logits, [-1, self.num_walks, *logits.shape[1:]])
        return tf.reduce_logsumexp(walks, axis=1)

    def multiplications(self, antennas, streams):
        rows, columns = 2 * antennas, 2 * streams
        steps = self.num_sigmas * self.num_steps
        walks = self.num_walks * (2 * steps + 3) * columns**2
        eigenvectors = 9 * columns**3 // 2  # Golub and Van Loan 2013, section 8.3
        return rows * columns * (columns + 1) + eigenvectors + walks

    def get_config(self):
        names = "num_sigmas", "num_steps", "num_walks", "seed"
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _walked(self, gram, matched, noise, prior):
        """Where walks end: [walks, columns]."""
        power, vectors = tf.linalg.eigh(gram)
        power, noise = tf.maximum(power, 1e-9), noise[:, None]
        known = _into(matched, vectors)
        sigmas = np.geomspace(*SIGMAS, self.num_sigmas).astype("float32")
        sigmas = tf.constant(np.repeat(sigmas, self.num_steps))

        shape = [self.num_walks, gram.shape[-1]]
        vectors_at_once = tf.shape(gram)[0] // self.num_walks

        def alike(noise):  # for all vectors, so that none depends on the others
            return tf.tile(noise, [vectors_at_once, 1])

        def step(number, z):
            variance = sigmas[number] ** 2
            pull = RATE / SIGMAS[1] ** 2 * tf.minimum(variance / noise, 1 / power)
            length = pull * tf.abs(noise - variance * power)
            x = _out_of(z, vectors)
            logits = gaussian_logits(x, variance + tf.zeros_like(x), self.levels)
            mean, _ = moments(logits + prior, self.levels)
            seed = tf.stack([self.seed, number])
            wander = alike(tf.random.stateless_normal(shape, seed))
            z += pull * (known - power * z)
            z += length * _into(mean - x, vectors) / variance
            return number + 1, z + tf.sqrt(2 * TEMPERATURE * length) * wander

        begin = tf.random.stateless_uniform(shape, [self.seed, -1], -1, 1)
        state = tf.constant(0), alike(begin)
        z = tf.while_loop(lambda number, z: number < sigmas.shape[0], step, state)[1]
        return _out_of(z, vectors)

    def _at_the_end(self, x, gram, matched, noise, prior):
        """Log joint densities of y and x rounded, one element at each of the levels."""
        likely = tf.argmin(tf.abs(x[..., None] - self.levels), -1)
        x = tf.gather(tf.constant(self.levels), likely)
        slope = matched - tf.matmul(gram, x[..., None])[..., 0]
        power, variance = tf.linalg.diag_part(gram), noise[:, None]
        centre = x + slope / power
        alone = gaussian_logits(centre, variance / power, self.levels) + prior
        here = tf.gather(alone, likely, batch_dims=2)
        fit = tf.reduce_sum(x * (matched + slope), -1, keepdims=True) / (2 * variance)
        fit += tf.reduce_sum(tf.gather(prior, likely, batch_dims=2), -1, keepdims=True)
        return alone - here[..., None] + fit[..., None]


def _into(x, vectors):
    return tf.matmul(x[:, None], vectors)[:, 0]


def _out_of(z, vectors):
    return tf.matmul(z[:, None], vectors, transpose_b=True)[:, 0]
