"""A network over the members of a set and the relations between them."""

from functools import partial

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="link_sim")
class PairwiseNetwork(keras.layers.Layer):
    """Numbers for each member of a set, from what it is and how it relates to others.

    In each layer every member k hears from all members j the sums of what they say,
    weighted by each of their relations, and their mean:

        u = W_e f,  m_e = pairs_e u_e,  f <- f + silu(W [f, m_1, m_2, ..., mean u])

    Members in another order give the same numbers in that order, and a trained network
    serves sets of any size. It starts at zero.

    Args:
        features: Of each member.
        relations: Number of weights of each pair; without any, members hear means only
            (Zaheer et al., "Deep sets", NeurIPS 2017, eq. 4).
        outputs: Of each member.
        width: Channels.
        depth: Layers.

    Call arguments:
        members: [batch, members, features].
        pairs: [batch, relations, members, members]; left out without relations.
            pairs[:, :, k, j] weighs what k hears of j.

    Returns [batch, members, outputs].
    """

    def __init__(self, features, relations, outputs, width=32, depth=4, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.features, self.relations, self.outputs = features, relations, outputs
        self.width, self.depth = width, depth
        dense = partial(keras.layers.Dense, dtype="float32")
        heard = relations + 1
        self.first = dense(width)
        self.say = [dense(width * heard) for _ in range(depth)]
        self.hear = [dense(width, activation="silu") for _ in range(depth)]
        self.last = dense(outputs, kernel_initializer="zeros")
        self.first.build((None, None, features))
        for say, hear in zip(self.say, self.hear, strict=True):
            say.build((None, None, width))
            hear.build((None, None, width * (heard + 1)))
        self.last.build((None, None, width))
        self.built = True

    def call(self, members, pairs=None):
        f = self.first(members)
        weights = ops.unstack(pairs, self.relations, axis=1) if self.relations else []
        for say, hear in zip(self.say, self.hear, strict=True):
            said = ops.split(say(f), self.relations + 1, axis=-1)
            heard = [ops.matmul(w, u) for w, u in zip(weights, said[1:], strict=True)]
            mean = ops.mean(said[0], axis=1, keepdims=True) + ops.zeros_like(f)
            f = f + hear(ops.concatenate([f, *heard, mean], axis=-1))
        return self.last(f)

    def multiplications(self, members: int) -> int:
        """Real multiplications of one set."""
        width, heard = self.width, self.relations + 1
        layer = members * width**2 * (2 * heard + 1)
        layer += self.relations * members**2 * width
        ends = members * width * (self.features + self.outputs)
        return self.depth * layer + ends

    def get_config(self):
        names = "features", "relations", "outputs", "width", "depth"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
