import numpy as np
import pytest
import tensorflow as tf

from link_sim.experiments.link import Link
from link_sim.receivers.decoding.iterative import IterativeReception
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.receivers.detection.grid import GridDetector
from link_sim.receivers.estimation import data_aided
from link_sim.receivers.estimation.data_aided import Symbols, field_prior
from link_sim.receivers.estimation.delay_windows import expected_covariance
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.receivers.estimation.ofdm import POWER_MISSED, _doubted
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")

SYMBOLS, CARRIERS, ANTENNAS, STREAMS, NO = 3, 5, 4, 2, 0.3


def covariance(rng, size):
    root = rng.standard_normal((size, 2 * size)) + 1j * rng.standard_normal(
        (size, 2 * size)
    )
    return root @ root.conj().T / (4 * size)


@pytest.fixture(scope="module")
def field():
    """A prior, its covariances of antennas and of elements, and what is received."""
    rng = np.random.default_rng(1)
    cs, ct, cf = (covariance(rng, n) for n in (ANTENNAS, SYMBOLS, CARRIERS))
    axes = [[z[None] for z in np.linalg.eigh(c)] for c in (cs, ct, cf)]
    energies = tf.constant([[[0.7], [1.4]]], tf.float32)
    prior = field_prior(*axes, energies)
    shape = STREAMS, SYMBOLS * CARRIERS
    x = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    v = rng.uniform(0, 1, shape)
    y = rng.standard_normal((ANTENNAS, shape[1])) * (1 + 1j)
    symbols = Symbols(
        tf.constant(x[None], tf.complex64), tf.constant(v[None], "float32")
    )
    return prior, cs, np.kron(ct, cf), symbols, tf.constant(y[None], tf.complex64)


def conditional(prior, space, elements, symbols, y, left_out=None):
    """Mean and covariance of all channels [streams * antennas * elements], directly."""
    x, v = (np.asarray(z)[0].astype("complex128") for z in symbols)
    energies = np.diag(np.asarray(prior.energies)[0])
    c = np.kron(energies, np.kron(space, elements))
    own = np.diag(elements).real * np.trace(space).real / ANTENNAS
    noise = NO + own * (np.diag(energies) @ v.real)
    keep = np.ones(len(noise), bool)
    if left_out is not None:
        keep[left_out] = False
    observe = np.concatenate(
        [np.kron(np.eye(ANTENNAS), np.diag(row)[keep]) for row in x], axis=1
    )
    seen = observe @ c @ observe.conj().T + np.diag(np.tile(noise[keep], ANTENNAS))
    gain = c @ observe.conj().T @ np.linalg.inv(seen)
    return gain @ np.asarray(y)[0][:, keep].ravel(), c - gain @ observe @ c


def test_the_estimate_is_the_conditional_mean_of_the_gaussian_field(field):
    prior, space, elements, symbols, y = field
    turned = data_aided.turned(prior, y)
    mean, variance, _ = data_aided.estimate(prior, turned, symbols, tf.constant([NO]))
    expected, covariance = conditional(*field)
    shape = STREAMS, ANTENNAS, SYMBOLS * CARRIERS
    expected = expected.reshape(shape).transpose(1, 0, 2)
    np.testing.assert_allclose(mean[0], expected, atol=1e-5)
    errors = np.diag(covariance).real.reshape(shape).transpose(1, 0, 2)
    np.testing.assert_allclose(variance[0], errors, atol=1e-5)


def test_powers_are_those_of_the_modes_given_what_is_received(field):
    prior, space, _, symbols, y = field
    turned = data_aided.turned(prior, y)
    found = data_aided.estimate(prior, turned, symbols, tf.constant([NO]))
    expected, covariance = conditional(*field)
    # loads are no basis of fewer elements: their inverse takes channels to modes
    back = np.linalg.pinv(np.asarray(prior.loads)[0])
    rotation, strengths = (np.asarray(z)[0] for z in (prior.rotation, prior.strengths))
    into = np.kron(np.diag(strengths**-0.5) @ rotation.conj().T, back)
    into = np.kron(np.diag(np.asarray(prior.energies)[0] ** -0.5), into)
    second = np.abs(into @ expected) ** 2
    second += np.diag(into @ covariance @ into.conj().T).real
    second = second.reshape(STREAMS * ANTENNAS, -1).mean(0)
    np.testing.assert_allclose(found.powers[0], second, rtol=2e-3)


def test_powers_that_spectra_hide_are_found_by_symbols():
    rng = np.random.default_rng(2)
    shape, modes = (ANTENNAS, 400), 8
    carriers = np.exp(2j * np.pi * np.outer(np.arange(400), np.arange(8)) / 400)
    powers = np.array([1, 1, 1, 1e-2, 1e-2, 1, 1e-2, 1e-2])
    w = rng.standard_normal((2, ANTENNAS, modes)) * np.sqrt(powers / 2)
    h = (w[0] + 1j * w[1]) @ carriers.T
    noise = rng.standard_normal((2, *shape)) * np.sqrt(NO / 2)
    x = np.exp(2j * np.pi * rng.uniform(size=400))
    y = tf.constant((h * x + noise[0] + 1j * noise[1])[None], tf.complex64)
    hidden = np.array([1, 1, 1, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2])  # the sixth is missed
    loads = tf.constant((carriers * np.sqrt(hidden))[None], tf.complex64)
    eye = tf.eye(ANTENNAS, batch_shape=[1], dtype=tf.complex64)
    prior = data_aided.FieldPrior(eye, tf.ones([1, ANTENNAS]), loads, tf.ones([1, 1]))
    symbols = Symbols(tf.constant(x[None, None], tf.complex64), tf.zeros([1, 1, 400]))
    no, ratios = tf.constant([NO]), []
    for _ in range(2):
        found = data_aided.estimate(prior, y, symbols, no)
        error = np.mean(np.abs(found.mean[0, :, 0] - h) ** 2)
        ratios.append(error / np.mean(found.variance))
        anew = data_aided.told_anew(prior.loads, found.powers)
        prior = prior._replace(loads=anew)
    # 32 coefficients: the mean of their squares is within a half of what it should be
    assert ratios[0] > 1.5 and 0.5 < ratios[1] < 1.5


@pytest.mark.parametrize("element", [0, 7])
def test_an_element_is_predicted_by_all_others(field, element):
    prior, space, elements, symbols, y = field
    sent = Symbols(symbols.mean * 0.3, 0.5 * tf.ones_like(symbols.variance))
    turned = data_aided.turned(prior, y)
    found = data_aided.predict(prior, turned, symbols, sent, tf.constant([NO]))
    expected, covariance = conditional(*field, left_out=element)
    shape = STREAMS, ANTENNAS, SYMBOLS * CARRIERS
    expected = expected.reshape(shape)[:, :, element]
    rotation = np.asarray(prior.rotation)[0]
    mean = np.asarray(found[0])[0, :, :, element]
    np.testing.assert_allclose(mean, (expected @ rotation.conj()).T, atol=2e-5)
    m = np.asarray(sent.mean)[0, :, element]
    moments = np.outer(m, m.conj()) + 0.5 * np.eye(STREAMS)
    errors = covariance.reshape(*shape, *shape)[:, :, element, :, :, element]
    errors = np.einsum("st,satb->ab", moments, errors)
    errors = np.diag(rotation.conj().T @ errors @ rotation).real
    np.testing.assert_allclose(found[1][0, :, element], NO + errors, rtol=1e-4)


@pytest.fixture(scope="module")
def link():
    """Few elements, QPSK, and channels whose covariances are known."""
    settings = [
        "grid.fft_size=24", "grid.symbols=6", "grid.pilot_symbols=[1,4]",
        "code.bits_per_symbol=2", "code.iterations=3", "batch_size=2",
        "receivers=['lmmse','score']", "channel.model=tdl-a", "antennas.receive=4",
        "antennas.polarisation=single",
    ]  # fmt: skip
    return Link(load_scenario("csi-link", settings))


@pytest.mark.slow
def test_by_pilots_alone_it_is_the_plain_estimate(link):
    world = link.draw(link.scenario.at(3.0), 0)
    sender = link.transmitter
    detector = GridDetector(sender.resource_grid, EPDetector(2, num_iter=1))
    for receiver, tolerance in zip(link.receivers, (1e-3, 2e-2), strict=True):
        estimator = receiver.estimator
        assert isinstance(estimator, LMMSEChannelEstimator) == (
            receiver.name == "lmmse"
        )
        loop = IterativeReception(sender, detector, estimator)
        bits = 2 * int(sender.resource_grid.num_data_symbols)
        silent = loop.symbols(tf.zeros([len(world.y), 1, 2, bits]))
        unknown = tf.where(silent.variance > 0, 1e9, 0.0)  # as if nothing were sent
        prior = estimator.prior(world.y, world.no, tf.zeros([len(world.y), 1]))
        y = data_aided.turned(prior, detector.elements.received(world.y))
        no = tf.fill([len(world.y)], world.no)
        found = data_aided.estimate(prior, y, Symbols(silent.mean, unknown), no)
        h_hat, err_var = estimator(world.y, world.no)
        shape = found[0].shape
        expected = np.reshape(h_hat, shape)
        scale = np.sqrt(np.mean(np.abs(expected) ** 2))
        np.testing.assert_allclose(found[0], expected, atol=tolerance * scale)


def test_what_pilots_leave_unknown_has_the_delays_of_any_channel():
    known = tf.constant(np.stack([np.diag([3.0, 1.0]), np.eye(2)]), tf.complex128)
    expected = np.array([[1, 0.5j], [-0.5j, 1]])
    energies, err_var = tf.ones([2, 1, 1]), tf.constant([[0.1, 0.3], [0.0, 0.0]])
    found = _doubted(known, expected, energies, err_var)
    share = 0.2 * POWER_MISSED
    mixed = (1 - share) * np.diag([3.0, 1.0]) + share * 2 * expected
    np.testing.assert_allclose(found, [mixed, np.eye(2)], rtol=1e-6)


def test_expected_channels_have_power_one_at_all_carriers():
    found = expected_covariance(np.arange(24) * 30e3)
    np.testing.assert_allclose(np.diag(found), 1)
    assert np.linalg.eigvalsh(found).min() > -1e-9
