"""Precoders against closed forms, slow obvious ones and each other."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from link_sim.models.pairwise import PairwiseNetwork
from link_sim.receivers.precoding.calibrated import (
    FEATURES,
    RELATIONS,
    CalibratedInputZF,
    CalibratedZF,
)
from link_sim.receivers.precoding.gram import directions, user_rates
from link_sim.receivers.precoding.linear import MRT, RZF, ZF, water_filling
from link_sim.receivers.precoding.wmmse import WMMSE, ReducedWMMSE

USERS, ANTENNAS = 5, 8


def random_network(features, relations, outputs, **sizes):
    """One whose last layer is not zero."""
    network = PairwiseNetwork(features, relations, outputs, **sizes)
    rng = np.random.default_rng(0)
    shape = network.last.kernel.shape
    network.last.kernel.assign(0.3 * rng.standard_normal(shape))
    return network


def precoders():
    keras.utils.set_random_seed(0)
    published = random_network(2 * ANTENNAS + 1, 0, 2 * ANTENNAS, width=16, depth=2)
    return {
        "mrt": MRT(),
        "zf": ZF(),
        "zf-water-filling": ZF(water_filling=True),
        "rzf": RZF(),
        "rzf-total": RZF(equal_power=False),
        "r-wmmse": ReducedWMMSE(7),
        "wmmse": WMMSE(7),
        "nc-zf": CalibratedZF(random_network(FEATURES, RELATIONS, 2)),
        "nc-published": CalibratedInputZF(published),
    }


PRECODERS = precoders()


def channels(users=USERS, antennas=ANTENNAS, size=3, seed=0):
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((size, users, antennas, 2)) @ [1, 1j] / np.sqrt(2)
    return (h * rng.uniform(0.3, 2, (size, users, 1))).astype("complex64")


def sum_rate(h, v, no):
    """In NumPy, written out."""
    heard = np.abs(np.asarray(h, "complex128") @ np.asarray(v)) ** 2
    rates = np.zeros(heard.shape[:2])
    for i, k in np.ndindex(*rates.shape):
        wanted = heard[i, k, k]
        others = sum(heard[i, k, j] for j in range(heard.shape[2]) if j != k)
        rates[i, k] = np.log2(1 + wanted / (others + np.broadcast_to(no, len(h))[i]))
    return rates


@pytest.mark.parametrize("name", PRECODERS)
def test_contract(name):
    """Power 1, any order of users, a batch as its rows, a `no` each, saving."""
    precoder, h = PRECODERS[name], channels()
    no = np.array([0.05, 0.4, 3.0], "float32")
    v = np.asarray(precoder(h, no))
    assert v.shape == (3, ANTENNAS, USERS)
    np.testing.assert_allclose(np.sum(np.abs(v) ** 2, (1, 2)), 1, rtol=1e-4)
    order = np.random.default_rng(1).permutation(USERS)
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(precoder(h[:, order], no), v[:, :, order], **close)
    np.testing.assert_allclose(precoder(h[1:2], 0.4), v[1:2], **close)
    config = json.dumps(keras.saving.serialize_keras_object(precoder))
    same = keras.saving.deserialize_keras_object(json.loads(config))
    if hasattr(precoder, "network"):
        same.network.set_weights(precoder.network.get_weights())
    np.testing.assert_array_equal(same(h, no), v)
    assert isinstance(precoder.multiplications(75, 1024), int)


@pytest.mark.parametrize("name", PRECODERS)
def test_one_user_gets_all_of_its_channel(name):
    if name == "nc-published":
        pytest.skip("moves the channel of one user too")
    h = channels(users=1)
    v = PRECODERS[name](h, 0.3)
    exact = np.conj(np.swapaxes(h, 1, 2)) / np.linalg.norm(h, axis=2)[:, None]
    np.testing.assert_allclose(v, exact, rtol=1e-4, atol=1e-5)


def test_rates_are_those_written_out():
    h, no = channels(), np.array([0.05, 0.4, 3.0], "float32")
    v = MRT()(h, no)
    np.testing.assert_allclose(user_rates(h, v, no), sum_rate(h, v, no), rtol=1e-4)


@pytest.mark.parametrize("water", [False, True])
def test_zero_forcing_leaves_no_interference(water):
    h = channels()
    heard = np.abs(h @ np.asarray(ZF(water)(h, 0.3))) ** 2
    off = heard * (1 - np.eye(USERS))
    assert off.max() < 1e-9
    if not water:
        power = np.sum(np.abs(np.asarray(ZF()(h, 0.3))) ** 2, axis=1)
        np.testing.assert_allclose(power, 1 / USERS, rtol=1e-4)


def test_water_filling_beats_all_powers_of_a_fine_grid():
    gain = np.array([[0.5, 2.0, 3.0], [0.01, 0.02, 5.0]], "float32")
    power = np.asarray(water_filling(gain))
    np.testing.assert_allclose(power.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(power[1], [0, 0, 1], atol=1e-6)
    p = np.linspace(0, 1, 201)
    grid = np.stack([z.ravel() for z in np.meshgrid(p, p)], -1)
    grid = np.c_[grid, 1 - grid.sum(1)][grid.sum(1) <= 1]
    for g, ours in zip(gain, power, strict=True):
        best = np.log1p(g * grid).sum(1).max()
        assert 0 <= np.log1p(g * ours).sum() - best < 1e-3


def test_regularised_zero_forcing_has_its_limits_and_its_formula():
    h = channels()
    np.testing.assert_allclose(RZF()(h, 1e-5), ZF()(h, 1e-5), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(RZF()(h, 1e5), MRT()(h, 1e5), rtol=1e-3, atol=1e-4)
    adjoint = np.conj(np.swapaxes(h, 1, 2))
    v = adjoint @ np.linalg.inv(h @ adjoint + USERS * 0.3 * np.eye(USERS))
    total = v / np.sqrt(np.sum(np.abs(v) ** 2, (1, 2), keepdims=True))
    np.testing.assert_allclose(RZF(False)(h, 0.3), total, rtol=1e-3, atol=1e-4)
    v /= np.sqrt(np.sum(np.abs(v) ** 2, 1, keepdims=True) * USERS)
    np.testing.assert_allclose(RZF()(h, 0.3), v, rtol=1e-3, atol=1e-4)


def test_optimal_form_is_that_of_the_antennas():
    """(no I + h^H D h)^-1 h^H, columns normalised, for weights over four decades."""
    h, no = channels(), 0.3
    weights = 10 ** np.random.default_rng(1).uniform(-4, 0.5, (3, USERS))
    s = h @ np.conj(np.swapaxes(h, 1, 2)) / (USERS * no)
    x = np.asarray(directions(s.astype("complex64"), weights.astype("float32")))
    adjoint = np.conj(np.swapaxes(h, 1, 2))
    system = USERS * no * np.eye(ANTENNAS) + adjoint @ (weights[..., None] * h)
    exact = np.linalg.solve(system, adjoint)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    v = adjoint @ x / np.sqrt(USERS * no)
    np.testing.assert_allclose(v, exact, rtol=1e-3, atol=1e-4)


def test_wmmse_never_loses_rate_and_ends_where_the_gradient_vanishes():
    h, no = channels(size=6), 0.1
    rates = [sum_rate(h, ReducedWMMSE(n)(h, no), no).sum(1) for n in (0, 1, 2, 4, 8)]
    np.testing.assert_allclose(rates[0], sum_rate(h, RZF()(h, no), no).sum(1), 1e-4)
    assert np.all(np.diff(rates, axis=0) > -1e-4)
    converged = tf.function(ReducedWMMSE(300), autograph=False)
    v = np.asarray(converged(h, no), "complex128")
    best = sum_rate(h, v, no).sum(1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        step = rng.standard_normal((*v.shape, 2)) @ [1, 1j]
        near = v + 1e-3 * step / np.linalg.norm(step, axis=(1, 2), keepdims=True)
        near /= np.linalg.norm(near, axis=(1, 2), keepdims=True)
        assert np.all(sum_rate(h, near, no).sum(1) < best + 1e-5)


def test_wmmse_of_all_antennas_makes_the_same_beams():
    h, no = channels(), np.array([0.05, 0.4, 3.0], "float32")
    ours = PRECODERS["r-wmmse"](h, no)
    np.testing.assert_allclose(ours, PRECODERS["wmmse"](h, no), rtol=1e-2, atol=1e-3)


def test_networks_start_as_what_they_calibrate():
    h = channels()
    ours = CalibratedZF(PairwiseNetwork(FEATURES, RELATIONS, 2))(h, 0.3)
    np.testing.assert_allclose(ours, RZF()(h, 0.3), rtol=1e-4, atol=1e-5)
    network = PairwiseNetwork(2 * ANTENNAS + 1, 0, 2 * ANTENNAS, width=8, depth=1)
    ours = CalibratedInputZF(network)(h, 0.3)
    np.testing.assert_allclose(ours, ZF()(h, 0.3), rtol=1e-4, atol=1e-5)


def test_network_serves_any_number_of_users_and_antennas():
    for users, antennas in ((2, 3), (9, 20), (6, 4)):
        h = channels(users, antennas)
        v = np.asarray(PRECODERS["nc-zf"](h, 0.3))
        assert np.all(np.isfinite(v))
        np.testing.assert_allclose(np.sum(np.abs(v) ** 2, (1, 2)), 1, rtol=1e-4)


def test_what_cannot_be_done_is_said():
    with pytest.raises(ValueError, match="cannot separate 9 users with 8 antennas"):
        ZF()(channels(users=9), 0.3)
    with pytest.raises(ValueError, match="weights are for 8 antennas, not 6"):
        PRECODERS["nc-published"](channels(antennas=6), 0.3)


@pytest.mark.parametrize("name", PRECODERS)
def test_a_channel_that_cannot_be_served_spoils_no_other(name):
    precoder, h = PRECODERS[name], channels(size=4)
    v = np.asarray(precoder(h, np.float32([0.1] * 4)))
    spoilt = h.copy()
    spoilt[0, 0, 0], spoilt[1, 1], spoilt[2] = np.nan, 0, 0
    found = np.asarray(precoder(spoilt, np.float32([0.1] * 4)))
    assert np.isnan(found[:3]).all()
    np.testing.assert_allclose(found[3], v[3], atol=1e-5)
    assert np.isnan(np.asarray(precoder(h, np.float32([0, np.nan, -1, np.inf])))).all()


@pytest.mark.parametrize("name", PRECODERS)
def test_users_with_the_same_channel_leave_no_traceback(name):
    h = channels(size=1)
    h[:, 1] = h[:, 0]
    v = np.asarray(PRECODERS[name](h, 0.1))
    assert not np.isfinite(v).all() or np.sum(np.abs(v) ** 2) < 1 + 1e-5


def test_gradients_are_finite_where_users_are_ignored():
    logits = np.random.default_rng(0).choice([-40.0, 40.0], (3, USERS, 2))
    logits = tf.Variable(logits.astype("float32"))
    precoder = CalibratedZF(lambda members, pairs: logits)
    h = channels()
    with tf.GradientTape() as tape:
        rates = user_rates(h, precoder(h, 0.3), 0.3)
        loss = -ops.log(ops.sum(rates, axis=-1))
    assert np.all(np.isfinite(rates)) and np.all(np.isfinite(loss))
    assert np.all(np.isfinite(tape.gradient(loss, logits)))
