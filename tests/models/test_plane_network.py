"""The network over antennas and directions: its transform, and what it starts as."""

import numpy as np

from link_sim.models.plane_network import Directions, PlaneNetwork

SIDE, SPACING = 16, 0.25


def waves(rng, number=50):
    """Plane waves from directions on a half sphere, [number, side, side, 2]."""
    angle, turn = np.arcsin(rng.random(number)), rng.uniform(0, 2 * np.pi, number)
    s = np.sin(angle) * np.stack([np.cos(turn), np.sin(turn)])
    n = np.arange(SIDE) * SPACING
    rows, columns = np.exp(2j * np.pi * s[:, :, None] * n)
    field = rows[:, :, None] * columns[:, None]
    return np.stack([field.real, field.imag], axis=-1).astype("float32")


def test_directions_are_those_of_a_sum_over_antennas():
    x = waves(np.random.default_rng(0), 3)
    layer = Directions(SIDE, SPACING)
    found = np.asarray(layer(x))
    place = np.arange(SIDE) - (SIDE - 1) / 2
    scale = 2 * 1.06 * SPACING / SIDE
    turns = np.exp(-2j * np.pi * scale * np.outer(place, place)) * np.sqrt(scale)
    expected = np.einsum("ua,vb,nab->nuv", turns, turns, x[..., 0] + 1j * x[..., 1])
    np.testing.assert_allclose(found[..., 0], expected.real, atol=1e-4)
    np.testing.assert_allclose(found[..., 1], expected.imag, atol=1e-4)


def test_the_way_back_keeps_what_can_arrive_and_half_as_much_noise_along_each_axis():
    rng = np.random.default_rng(1)
    there, back = (Directions(SIDE, SPACING, way) for way in (False, True))
    x = waves(rng)
    error = np.asarray(back(there(x))) - x
    assert np.mean(error**2) < 0.1 * np.mean(x**2)  # at the edges of the array
    n = rng.standard_normal((200, SIDE, SIDE, 2), "float32")
    left = np.mean(np.asarray(back(there(n))) ** 2)
    # trace of the square of Q = T^H T, a Toeplitz matrix of Dirichlet kernels
    place = np.arange(SIDE) - (SIDE - 1) / 2
    scale = 2 * 1.06 * SPACING / SIDE
    turns = np.exp(-2j * np.pi * scale * np.outer(place, place)) * np.sqrt(scale)
    q = turns.conj().T @ turns
    expected = (np.sum(np.abs(q) ** 2) / SIDE) ** 2
    assert abs(left / expected - 1) < 4 * np.sqrt(2 / (200 * 2 * SIDE**2 * expected))


def test_an_untrained_network_returns_nothing_and_can_be_rebuilt():
    network = PlaneNetwork(SIDE, SPACING, width=8, pairs=1)
    x, level = waves(np.random.default_rng(2), 2), np.zeros((2, 1), "float32")
    assert np.all(np.asarray(network([x, level])) == 0)
    again = PlaneNetwork.from_config(network.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in network.weights]
