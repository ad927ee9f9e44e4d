"""The spectral denoiser against closed forms; an untrained one refines as told."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from link_sim.models import kronecker
from link_sim.models.spectral import VARIANCE_EXCESS, SpectralDenoiser, array_response

LENGTHS, POINTS, SNAPSHOTS, BATCH = (3, 4), (12, 16), 2, 5
RNG = np.random.default_rng(0)


class Known(keras.layers.Layer):
    """A network that makes up for the base of `_refine`: the spectrum is the wanted."""

    def __init__(self, spectrum):
        super().__init__()
        self.wanted = np.log(spectrum).astype("float32")

    def call(self, features):
        p, _, _, difference = (4 * features[..., i] for i in range(4))
        return self.wanted - (p + 0.5 * difference)


def known_spectra():
    """A denoiser that knows the spectra, and these: the first sums to one."""
    spectra = [RNG.random(n) + 0.1 for n in POINTS]
    spectra[0] /= spectra[0].sum()
    denoiser = SpectralDenoiser(LENGTHS, POINTS, rounds=1)
    denoiser.networks = [Known(spectra[0]), Known(spectra[1] * POINTS[1])]
    return denoiser, spectra


def dense(responses, spectra):
    """Covariance of vec(field), row by row, complex128."""
    first, second = (
        (f * p) @ np.conj(f).T for f, p in zip(responses, spectra, strict=True)
    )
    return np.kron(first, second)


def field(shape):
    y = RNG.standard_normal((BATCH, SNAPSHOTS, *shape, 2)).astype("float32")
    return y, y[..., 0] + 1j * y[..., 1]


def test_estimate_is_the_wiener_filter_of_the_spectra():
    denoiser, spectra = known_spectra()
    x, y = field(LENGTHS)
    sigma = np.float32([0.1, 0.3, 1, 3, 10]).reshape(-1, 1, 1, 1, 1)
    c = dense([array_response(*a) for a in zip(LENGTHS, POINTS, strict=True)], spectra)
    x0_hat = ops.convert_to_numpy(denoiser(x, sigma))
    for i in range(BATCH):
        gain = c @ np.linalg.inv(c + 2 * sigma[i].item() ** 2 * np.eye(12))
        exact = (y[i].reshape(SNAPSHOTS, -1) @ gain.T).reshape(y[i].shape)
        found = x0_hat[i, ..., 0] + 1j * x0_hat[i, ..., 1]
        np.testing.assert_allclose(found, exact, atol=2e-4)


def test_the_variance_told_is_that_where_the_field_is_observed():
    denoiser, _ = known_spectra()
    own = [RNG.standard_normal((n, p, 2)) @ [1, 1j] for n, p in ((2, 12), (3, 16))]
    find = tf.function(lambda x, own: denoiser.posterior_and_told(x, 0.5, own, own))
    found = find(field((2, 3))[0], [tf.constant(f) for f in own])
    _, variance, told = map(ops.convert_to_numpy, found)
    expected = np.mean(variance, axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(told, expected, rtol=1e-5)


def test_posterior_at_other_points_is_the_conditional_gaussian():
    denoiser, spectra = known_spectra()
    own = [RNG.standard_normal((n, p, 2)) @ [1, 1j] for n, p in ((2, 12), (3, 16))]
    wanted = [RNG.standard_normal((n, p, 2)) @ [1, 1j] for n, p in ((4, 12), (5, 16))]
    own, wanted = ([f.astype("complex64") for f in fs] for fs in (own, wanted))
    x, y = field((2, 3))
    mean, variance = (
        ops.convert_to_numpy(z) for z in denoiser.posterior(x, 0.5, wanted, own)
    )
    observed, target = (np.kron(*fs) for fs in (own, wanted))
    p = np.kron(*spectra)
    gain = (target * p) @ observed.conj().T
    inner = (observed * p) @ observed.conj().T + 0.5 * np.eye(6)
    weights = gain @ np.linalg.inv(inner)
    exact = y.reshape(BATCH, SNAPSHOTS, -1) @ weights.T
    np.testing.assert_allclose(mean.reshape(exact.shape), exact, rtol=1e-3, atol=1e-3)
    left = np.sum((np.abs(target) ** 2) * p, axis=1)
    left = left - np.sum(weights * gain.conj(), axis=1).real
    found = variance.reshape(BATCH, SNAPSHOTS, -1) / VARIANCE_EXCESS
    y = y.reshape(BATCH, SNAPSHOTS, -1)
    inverse = np.linalg.inv(inner)
    slope = np.sum(np.abs(y @ inverse.T) ** 2, axis=(1, 2)) - SNAPSHOTS * np.trace(
        inverse
    )
    known = 1 + SNAPSHOTS * 0.25 * np.sum(np.abs(inverse) ** 2)
    more = np.maximum(0.25 * slope.real / known, 0)[:, None]
    left = left + more * np.sum(np.abs(weights) ** 2, axis=1)
    expected = np.broadcast_to(left[:, None], found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-3 * left.max())


def test_permuted_snapshots_permute_the_estimate():
    denoiser = SpectralDenoiser(LENGTHS, POINTS)
    x, _ = field(LENGTHS)
    a, b = (ops.convert_to_numpy(denoiser(z, 0.4)) for z in (x, x[:, ::-1]))
    np.testing.assert_allclose(a[:, ::-1], b, atol=1e-5)


def test_responses_of_the_arrays_change_nothing():
    """Given to the call they are tensors, whose modes are found in the graph."""
    denoiser = SpectralDenoiser(LENGTHS, POINTS)
    x = RNG.standard_normal((BATCH, SNAPSHOTS, *LENGTHS, 2), "float32")
    arrays = [array_response(*a) for a in zip(LENGTHS, POINTS, strict=True)]
    np.testing.assert_allclose(
        denoiser(x, 0.3, arrays), denoiser(x, 0.3), rtol=1e-5, atol=1e-6
    )


def test_gradient_of_the_estimate_is_that_of_its_covariance():
    """`_wiener` adds the derivative by hand: compare with finite differences."""
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    denoiser = SpectralDenoiser(LENGTHS, POINTS, rounds=1, width=4)
    kernel = denoiser.networks[1].last.kernel
    x, _ = field(LENGTHS)
    weights = tf.constant(RNG.standard_normal((BATCH, 1, *x.shape[1:])), "float32")

    def loss():
        return tf.reduce_sum(weights * denoiser(x, 0.3, training=True))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = tape.gradient(value, kernel.value).numpy()
    direction = RNG.standard_normal(gradient.shape).astype("float32")
    step = 1e-2
    ends = []
    for sign in (1, -1):
        kernel.assign(sign * step * direction)
        ends.append(float(loss()))
    slope = (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx(float(np.sum(gradient * direction)), rel=2e-2)


def test_what_is_expected_beforehand_is_where_rounds_begin():
    """The same of arrays and of tensors, which may differ between examples."""
    matrix, start = RNG.standard_normal((5, 9, 2)) @ [1, 1j], RNG.random(9)
    start /= start.sum()
    known = kronecker.response(matrix, start)
    found = kronecker.response(ops.convert_to_tensor(matrix[None]), start)
    for own in (known, found):
        values, vectors = (np.asarray(z)[0] for z in own.modes)
        covariance = (vectors * values) @ vectors.conj().T
        expected = (matrix * start) @ matrix.conj().T
        np.testing.assert_allclose(covariance, expected, atol=1e-12)
        np.testing.assert_allclose(own.start, start[None], rtol=1e-6)
    assert np.ptp(kronecker.response(matrix).start) == 0


def test_serialises():
    denoiser = SpectralDenoiser(LENGTHS, POINTS, rounds=1, width=4)
    config = keras.saving.serialize_keras_object(denoiser)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(denoiser.get_weights())
    x, _ = field(LENGTHS)
    np.testing.assert_array_equal(copy(x, 0.4), denoiser(x, 0.4))
