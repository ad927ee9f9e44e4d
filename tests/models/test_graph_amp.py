"""The learned message passing: what it is before training, and what it may not see."""

import keras
import numpy as np

from link_sim.models.approximate_messages import (
    Messages,
    amp_step,
    gaussian_logits,
    mixing,
    moments,
    start,
)
from link_sim.models.graph_amp import FIRST, GraphAMP, rising_cross_entropy
from link_sim.models.graph_amp import _graph as graph
from link_sim.models.graph_amp import _heard as heard

LEVELS = np.float32([-1, 1]) / np.sqrt(2).astype("float32")
RNG = np.random.default_rng(0)


def problem(size=2, rows=6, columns=4):
    h = RNG.standard_normal((size, rows, columns)).astype("float32") / np.sqrt(rows)
    y = RNG.standard_normal((size, rows)).astype("float32")
    return y, h.astype("float32"), np.float32([0.1] * size)


def random_network(**options):
    network = GraphAMP(LEVELS, layers=3, **options)
    weights = [RNG.normal(0, 0.3, w.shape) for w in network.get_weights()]
    network.set_weights(weights)
    return network


def test_untrained_it_is_damped_amp():
    y, h, noise = problem()
    prior = RNG.standard_normal((2, 4, 2)).astype("float32")
    network = GraphAMP(LEVELS, layers=3)
    keep = 1 / (1 + np.exp(1.0))  # the sigmoid of -1
    messages = start(y, prior, LEVELS)
    for logits in np.moveaxis(np.asarray(network(y, h, noise, prior)), 1, 0):
        r, s, z, z_var = amp_step(y, mixing(h), noise, messages, np.float32(keep))
        expected = gaussian_logits(r, s, LEVELS) + prior
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
        messages = Messages(*moments(expected, LEVELS), z, z_var)


def test_messages_are_sums_over_edges():
    y, h, _ = problem()
    x0, v0 = RNG.standard_normal((2, 4)), RNG.random((2, 4))
    sent, s = RNG.standard_normal((2, 4, 12)), RNG.random((2, 4)) + 0.1
    given = [a.astype("float32") for a in (s, x0, v0, sent)]
    found = np.asarray(heard(graph(y, mixing(h)), *given))
    for b in range(2):
        gram = h[b].T @ h[b]
        for i in range(4):
            others = [j for j in range(4) if j != i]
            first = sum(gram[i, j] * sent[b, j, :FIRST] for j in others)
            second = sum(gram[i, j] ** 2 * sent[b, j, FIRST:] for j in others)
            residual = h[b, :, i] @ (y[b] - h[b] @ x0[b]) / np.sqrt(s[b, i])
            spread = np.log(sum(gram[i, j] ** 2 * v0[b, j] for j in others) / s[b, i])
            expected = [residual, spread, *first, *second]
            np.testing.assert_allclose(found[b, i], expected, rtol=1e-3, atol=1e-4)


def test_the_order_of_columns_and_rows_does_not_matter():
    y, h, noise = problem()
    network, none = random_network(), np.zeros((1, 1, 1), "float32")
    logits = np.asarray(network(y, h, noise, none))
    columns, rows = RNG.permutation(4), RNG.permutation(6)
    moved = network(y[:, rows], h[:, rows][:, :, columns], noise, none)
    np.testing.assert_allclose(moved, logits[:, :, columns], rtol=1e-3, atol=1e-3)


def test_one_set_of_weights_serves_any_size():
    network = random_network()
    sizes = [problem(3, rows, columns) for rows, columns in ((8, 2), (4, 4), (20, 10))]
    for y, h, noise in sizes:
        logits = network(y, h, noise, np.zeros((1, 1, 1), "float32"))
        assert logits.shape == (3, 3, h.shape[2], 2)
    parts = {m: GraphAMP(LEVELS, 3, messages=m).count_params() for m in (True, False)}
    assert parts[True] > parts[False] > GraphAMP(LEVELS, 3, corrections=False).layers


def test_it_has_few_weights_and_can_be_saved():
    levels = (-3, -1, 1, 3)
    assert GraphAMP(levels).count_params() == 2452
    network = random_network(messages=False)
    config = keras.saving.serialize_keras_object(network)
    restored = keras.saving.deserialize_keras_object(config)
    restored.set_weights(network.get_weights())
    arguments = *problem(), np.zeros((1, 1, 1), "float32")
    assert np.array_equal(network(*arguments), restored(*arguments))


def test_loss_is_the_cross_entropy_of_every_layer():
    logits = RNG.standard_normal((5, 3, 4, 2)).astype("float32")
    target = RNG.integers(0, 2, (5, 4))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    losses = [
        -np.mean([np.log(p[b, t, i, target[b, i]]) for b in range(5) for i in range(4)])
        for t in range(3)
    ]
    expected = np.dot([1, 4, 9], losses) / 14
    assert np.isclose(rising_cross_entropy(target, logits), expected, rtol=1e-5)
