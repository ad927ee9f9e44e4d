"""The network over members and pairs: against loops, and its symmetries."""

import keras
import numpy as np

from link_sim.models.pairwise import PairwiseNetwork

RNG = np.random.default_rng(0)
MEMBERS = RNG.standard_normal((2, 6, 3)).astype("float32")
PAIRS = RNG.standard_normal((2, 2, 6, 6)).astype("float32")


def network(relations=2):
    keras.utils.set_random_seed(0)
    made = PairwiseNetwork(3, relations, 4, width=8, depth=2)
    made.last.kernel.assign(RNG.standard_normal(made.last.kernel.shape))
    return made


def test_one_layer_is_what_it_says():
    keras.utils.set_random_seed(0)
    made = PairwiseNetwork(3, 2, 4, width=8, depth=1)
    assert not np.any(made(MEMBERS, PAIRS))
    made.last.kernel.assign(RNG.standard_normal(made.last.kernel.shape))
    dense = [
        [np.asarray(w) for w in layer.weights]
        for layer in (made.first, *made.say, *made.hear, made.last)
    ]
    (first, say, hear, last), x = dense, MEMBERS[0]
    f = x @ first[0] + first[1]
    u = np.split(f @ say[0] + say[1], 3, axis=-1)
    heard = [sum(PAIRS[0, e, 2, j] * u[e + 1][j] for j in range(6)) for e in (0, 1)]
    new = np.concatenate([f[2], *heard, u[0].mean(0)]) @ hear[0] + hear[1]
    exact = (f[2] + new / (1 + np.exp(-new))) @ last[0] + last[1]
    np.testing.assert_allclose(made(MEMBERS, PAIRS)[0, 2], exact, rtol=1e-4, atol=1e-5)


def test_order_of_members_is_the_order_of_outputs():
    order = RNG.permutation(6)
    made = network()
    moved = made(MEMBERS[:, order], PAIRS[:, :, order][:, :, :, order])
    np.testing.assert_allclose(
        moved, np.asarray(made(MEMBERS, PAIRS))[:, order], rtol=1e-4, atol=1e-5
    )


def test_serves_sets_of_any_size_with_and_without_relations():
    assert network()(MEMBERS[:, :4], PAIRS[:, :, :4, :4]).shape == (2, 4, 4)
    plain = network(relations=0)
    np.testing.assert_allclose(
        plain(np.tile(MEMBERS, (1, 2, 1)))[:, :6], plain(MEMBERS), rtol=1e-4, atol=1e-5
    )


def test_multiplications_are_those_of_its_matrices():
    made, members = network(), 6
    own = sum(w.shape[0] * w.shape[1] for w in made.weights if len(w.shape) == 2)
    messages = made.depth * made.relations * members**2 * made.width
    assert made.multiplications(members) == members * own + messages
