"""Approximate message passing, corrected by a small graph network."""

import keras
from keras import ops

from link_sim.models.approximate_messages import (
    FLOOR,
    Messages,
    amp_step,
    gaussian_logits,
    mixing,
    moments,
    row_times,
    start,
)

HIDDEN, FIRST, SECOND = 16, 8, 4
"""Width of a node's state, and of the messages over G and over its square."""
LARGEST_CORRECTION = 3.0
"""Largest logarithm of a correction of the variance."""


@keras.saving.register_keras_serializable(package="link_sim")
class GraphAMP(keras.layers.Layer):
    """Logits of the levels of each element of x in y = H x + n, by learned messages.

    Approximate message passing (`approximate_messages`) sees a pseudo-observation R of
    variance S of each element and takes the errors of different elements for
    independent. A graph network corrects that, as in AMP-GNN (He, Yu, Zhang, Song and
    Letaief, "Message passing meets graph neural networks", IEEE TWC 2023). There a
    network works on each of the n^2 edges; here the message of an edge is the product
    of its gain and of what its sender says, so that all messages together are

        sum_j G_ij u_j  and  sum_j G_ij^2 u_j',  G = H^T H without its diagonal,

    two products of matrices. Each layer takes a damped step of AMP, exchanges messages,
    updates the state of each node by a recurrent unit that all nodes and layers share,
    and reads off it a shift d, a precision e and an offset per level:

        logit(a) = -(a - R - sqrt(S) d)^2 exp(e) / (2 S) + l_a + log prior(a)

    which are those of AMP if d, e and l are 0, as before training. The weights fit any
    number of rows and columns; columns should have a mean energy of about 1.

    Args:
        levels: The set, ascending, such as (-3, -1, 1, 3) / sqrt(10).
        layers: Number of steps.
        messages: Whether nodes exchange messages; without, each sees only itself.
        corrections: Whether more is learned than the damping.

    Call arguments:
        y: [batch, rows].
        h: [batch, rows, columns].
        noise: [batch], variance of an element of n.
        log_prior: Broadcasts to [batch, columns, levels].

    Returns logits [batch, layers, columns, levels] after each layer.
    """

    def __init__(self, levels, layers=10, messages=True, corrections=True, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.levels = tuple(float(level) for level in levels)
        self.layers, self.messages, self.corrections = layers, messages, corrections
        self.damping = self.add_weight(
            (layers,), keras.initializers.Constant(-1.0), name="damping"
        )
        if corrections:
            own, sent = 6 + len(levels), FIRST + SECOND
            self.state = keras.layers.GRUCell(HIDDEN, dtype="float32")
            self.state.build((None, own + (2 + sent if messages else 0)))
            self.reader = keras.layers.Dense(
                2 + len(levels), kernel_initializer="zeros", dtype="float32"
            )
            self.reader.build((None, None, HIDDEN))
        if corrections and messages:
            self.sender = keras.layers.Dense(sent, "tanh", dtype="float32")
            self.sender.build((None, None, own + HIDDEN))
        self.built = True

    def call(self, y, h, noise, log_prior):
        none = ops.zeros_like(h[:, 0, :, None]) + ops.zeros((len(self.levels),))
        prior = log_prior + none
        h = mixing(h)
        graph = _graph(y, h)
        state = ops.zeros_like(prior[..., :1]) + ops.zeros((HIDDEN,))
        messages, every = start(y, prior, self.levels), []
        for keep in ops.unstack(ops.sigmoid(self.damping), self.layers):
            r, s, z, z_var = amp_step(y, h, noise, messages, keep)
            logits = gaussian_logits(r, s, self.levels) + prior
            if self.corrections:
                new = moments(logits, self.levels)
                seen = _own(r, s, messages.x, *new, noise, logits)
                if self.messages:
                    sent = self.sender(ops.concatenate([seen, state], -1))
                    heard = _heard(graph, s, *new, sent)
                    seen = ops.concatenate([seen, heard], -1)
                state = self._updated(state, seen)
                logits = self._corrected(r, s, state) + prior
            messages = Messages(*moments(logits, self.levels), z, z_var)
            every.append(logits)
        return ops.stack(every, axis=1)

    def multiplications(self, rows: int, columns: int) -> int:
        """Real multiplications of one problem, without what each level costs."""
        layer = 4 * rows * columns
        own, sent = 6 + len(self.levels), FIRST + SECOND
        if self.corrections:
            seen = own + (2 + sent if self.messages else 0)
            layer += columns * HIDDEN * (3 * (seen + HIDDEN) + 2 + len(self.levels))
        if self.corrections and self.messages:
            layer += columns * (own + HIDDEN) * sent + columns**2 * (sent + 2)
        graph = rows * columns * (columns + 1) + columns**2
        return 2 * rows * columns + graph + self.layers * layer

    def get_config(self):
        names = "levels", "layers", "messages", "corrections"
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _updated(self, state, seen):
        seen, old = (ops.reshape(a, (-1, a.shape[-1])) for a in (seen, state))
        return ops.reshape(self.state(seen, [old])[0], (-1, *state.shape[1:]))

    def _corrected(self, r, s, state):
        read = self.reader(state)
        shift, precision, offsets = read[..., 0], read[..., 1], read[..., 2:]
        s = s * ops.exp(-ops.clip(precision, -LARGEST_CORRECTION, LARGEST_CORRECTION))
        return gaussian_logits(r + shift * ops.sqrt(s), s, self.levels) + offsets


def rising_cross_entropy(target, logits):
    """A loss: cross entropy of every layer, the later the heavier.

    target : [batch, columns], indices of levels; logits : [batch, layers, columns,
    levels]
    """
    layers = logits.shape[1]
    weights = (ops.arange(1, layers + 1, dtype="float32") / layers) ** 2
    right = ops.one_hot(ops.cast(target, "int32"), logits.shape[-1])[:, None]
    per_layer = -ops.mean(ops.sum(right * ops.log_softmax(logits), -1), axis=(0, 2))
    return ops.sum(weights * per_layer) / ops.sum(weights)


def _graph(y, h):
    """G without diagonal, its square by element, its diagonal, and H^T y."""
    gram = ops.matmul(h.h_t, h.h)
    gram = gram * (1 - ops.eye(gram.shape[2]))
    return gram, gram**2, ops.sum(h.power, axis=1), row_times(y, h.h)


def _own(r, s, x, x0, v0, noise, logits):
    """What a node knows by itself: [batch, columns, features]."""
    scale = ops.sqrt(s)
    noise = ops.log(noise)[:, None] + ops.zeros_like(r)
    known = [r, ops.log(s), (x - r) / scale, (x0 - r) / scale, ops.log(v0), noise]
    return ops.concatenate([ops.stack(known, -1), ops.softmax(logits)], -1)


def _heard(graph, s, x0, v0, sent):
    """What the other nodes tell a node: [batch, columns, features].

    The first two are the residual of its matched filter and the variance of it.
    """
    gram, square, diagonal, matched = graph
    first = ops.concatenate([x0[..., None], sent[..., :FIRST]], -1)
    second = ops.concatenate([v0[..., None], sent[..., FIRST:]], -1)
    first, second = ops.matmul(gram, first), ops.matmul(square, second)
    residual = (matched - first[..., 0] - diagonal * x0) / ops.sqrt(s)
    spread = ops.log(second[..., 0] / s + FLOOR)
    both = ops.stack([residual, spread], -1)
    return ops.concatenate([both, first[..., 1:], second[..., 1:]], -1)
