"""A denoiser of Gaussian fields whose power spectra are unknown."""

from functools import partial

import keras
import numpy as np
from keras import ops

from link_sim.models import kronecker
from link_sim.models.kronecker import response

DILATIONS = 1, 2, 4, 1
VARIANCE_EXCESS = 1.04
"""How much larger the error is than the covariance says, since that is estimated:
measured on UMi drops of 3 and 10 MHz at -5 to 15 dB, 0.94 to 1.08 of what is stated."""
LEAST_NOISE = 1e-8
"""Least noise over power that is believed where a field is told from another: fields
stray further from the model."""
ROUNDING = 1e-14
"""Least noise over power of a field that is told from itself."""
FEATURES = 5
FINENESS = 2
"""Points of a grid per element of its axis, at least."""


@keras.saving.register_keras_serializable(package="link_sim")
class SpectralDenoiser(keras.layers.Layer):
    """The Wiener filter of a field over two axes, its spectra read off the noisy field.

    Given its spectra, the field is Gaussian with covariance C_1 x C_2 over its axes
    (array and array, or array and frequency), and `C_a = F_a diag(p_a) F_a^H` with
    known responses F_a. Networks estimate the spectra p_a from the noisy field, as in
    Neumann, Wiese and Utschick ("Learning the MMSE channel estimator", IEEE TSP 2018),
    but on a fine grid and in rounds: each sees how the likelihood of the observation
    grows with the spectra of the round before,

        d log p(y) / d p = f^H R^-1 y y^H R^-1 f - f^H R^-1 f,  R = C_1 x C_2 + no I,

    so that strong directions do not leak into weak ones. The last step is the exact
    MMSE estimate under the last covariance, `C R^-1 y`. The weights know grids only:
    they serve fields of other responses and lengths.

    Args:
        lengths: Of the two axes, uniform arrays in angle.
        points: Of their two grids.
        rounds: Number of estimates of the spectra.
        width: Channels of the networks.
        least_noise: Noise over power that the networks are shown at least, as if it had
            been added. Below, the spectra of a few snapshots say too much about these.

    Call arguments:
        x: [batch, snapshots, length_1, length_2, 2], real and imaginary parts;
            snapshots share their spectra and are otherwise independent.
        sigma: Noise per real dimension; broadcasts to [batch, snapshots, 1, 1, 1].
        responses: Of both axes, complex [axis length, points] or [batch, axis length,
            points] or both `Response`s; those of the arrays if not given.

    Returns `x0_hat` like x; in training the estimates after each round, [batch,
    rounds, snapshots, length_1, length_2, 2], so that every round learns.
    """

    def __init__(
        self,
        lengths,
        points,
        rounds: int = 2,
        width: int = 32,
        least_noise: float = 1e-4,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.lengths, self.points = tuple(lengths), tuple(points)
        self.rounds, self.width, self.least_noise = rounds, width, least_noise
        self.responses = [
            array_response(*axis) for axis in zip(lengths, points, strict=True)
        ]
        self.networks = [SpectrumNetwork(width) for _ in range(2 * rounds)]
        for network in self.networks:
            network.build((None, None, FEATURES))
        self.built = True

    def __call__(self, x, sigma, responses=None, **kwargs):
        if isinstance(sigma, float | np.floating):  # Keras takes tensors only
            sigma = ops.convert_to_tensor(sigma, "float32")
        return super().__call__(x, sigma, responses=responses, **kwargs)

    def call(self, x, sigma, responses=None, training=False):
        y, no = _field(x), _noise(x, sigma, least=ROUNDING)
        rounds = self._rounds(y, no, self._responses(responses))
        rounds = [_real(kronecker.wiener(*r[1:], y, no)) for r in rounds]
        return ops.stack(rounds, axis=1) if training else rounds[-1]

    def posterior(self, x, sigma, wanted, responses=None):
        """Mean and variance of the field at other points, whose responses are `wanted`.

        x, sigma, responses: As in a call. wanted: (F_1', F_2') over the grids of the
        spectra, complex [outputs, points] each. Returns complex [batch, snapshots,
        outputs_1, outputs_2] and float of the same shape. Where the observation lies
        further from the model than its noise explains, the variance is that under as
        much more noise.
        """
        return self.posterior_and_told(x, sigma, wanted, responses)[:2]

    def posterior_and_told(self, x, sigma, wanted, responses=None):
        """`posterior`, and the mean of its variance over the field as it is observed.

        The latter is float [batch, snapshots, 1, 1].
        """
        y, no = _field(x), _noise(x, sigma)
        actual = _noise(x, sigma, least=0.0)
        responses = self._responses(responses)
        spectra, _, modes = self._rounds(y, no, responses)[-1]
        wanted = [kronecker.double(f) for f in wanted]
        mean, *variances = kronecker.conditional(
            wanted, spectra, responses, modes, y, actual, no
        )
        variances = [ops.cast(VARIANCE_EXCESS * z, "float32") for z in variances]
        return ops.cast(mean, "complex64"), *variances

    def spectra(self, x, sigma, responses=None):
        """Power spectra over the grids of both axes, [batch, points] each.

        x, sigma, responses: As in a call.
        """
        responses = self._responses(responses)
        return self._rounds(_field(x), _noise(x, sigma), responses)[-1][0]

    def resized(self, lengths) -> "SpectralDenoiser":
        """One for fields of other lengths, with the same weights.

        Raises `ValueError` for lengths that the grids do not resolve.
        """
        most = [points // FINENESS for points in self.points]
        if any(length > m for length, m in zip(lengths, most, strict=True)):
            raise ValueError(
                f"these weights serve up to {most[0]} x {most[1]} antennas, and there "
                f"are {lengths[0]} x {lengths[1]}: use fewer"
            )
        own = type(self).from_config(self.get_config() | {"lengths": lengths})
        own.set_weights(self.get_weights())
        return own

    def get_config(self):
        config = {"lengths": self.lengths, "points": self.points}
        config |= {"rounds": self.rounds, "width": self.width}
        config |= {"least_noise": self.least_noise}
        return {**super().get_config(), **config}

    def _responses(self, responses) -> list[kronecker.Response]:
        responses = responses or self.responses
        return [kronecker.in_tensors(response(f)) for f in responses]

    def _rounds(self, y, no, responses) -> list:
        """Spectra, covariances and their modes of both axes, after each round."""
        sizes = [own.matrix.shape[-1] for own in responses]
        spectra = [own.start for own in responses]
        modes, rounds = [own.modes for own in responses], []
        seen = ops.clip(no, self.least_noise, np.inf)
        level = -ops.log(ops.mean(1 / seen[:, :, 0], axis=1))
        for first in range(0, 2 * self.rounds, 2):
            slopes = kronecker.slopes(responses, modes, y, no, seen)
            first, second = (
                _refine(self.networks[first + i], spectra[i], *slopes[i], level)
                for i in (0, 1)
            )
            spectra = [
                ops.softmax(first),
                ops.exp(ops.clip(second, -25, 9)) / sizes[1],
            ]
            pairs = zip(responses, spectra, strict=True)
            covariances = [kronecker.covariance(own.matrix, p) for own, p in pairs]
            modes = [kronecker.modes(c) for c in covariances]
            rounds.append((spectra, covariances, modes))
        return rounds


@keras.saving.register_keras_serializable(package="link_sim")
class SpectrumNetwork(keras.layers.Layer):
    """Circular convolutions over a spectrum, [batch, grid, features] -> [batch, grid].

    It starts at zero.
    """

    def __init__(self, width: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        conv, dense = (
            partial(layer, dtype="float32")
            for layer in (keras.layers.Conv1D, keras.layers.Dense)
        )
        self.local = [conv(width, 7, dilation_rate=d) for d in DILATIONS]
        self.pooled = [dense(width) for _ in DILATIONS]
        self.last = dense(1, kernel_initializer="zeros")

    def build(self, shape):
        channels = shape[-1]
        for local, pooled in zip(self.local, self.pooled, strict=True):
            local.build((None, None, channels))
            pooled.build((None, channels))
            channels = local.filters
        self.last.build((None, None, channels))
        self.built = True

    def call(self, x):
        for local, pooled, dilation in zip(
            self.local, self.pooled, DILATIONS, strict=True
        ):
            reach = 3 * dilation
            padded = ops.concatenate([x[:, -reach:], x, x[:, :reach]], axis=1)
            mean = ops.mean(x, axis=1)
            new = ops.silu(local.call(padded) + pooled.call(mean)[:, None])
            x = x + new if x.shape == new.shape else new
        return self.last.call(x)[..., 0]


def array_response(antennas: int, points: int) -> np.ndarray:
    """Uniform linear array over spatial frequencies: complex64 [antennas, points]."""
    turns = np.outer(np.arange(antennas), np.arange(points) / points)
    return np.exp(2j * np.pi * turns).astype("complex64")


def log_error(x0, estimates):
    """Logarithm of the squared error per element, averaged over rounds: a loss.

    x0: [batch, ...]; estimates: [batch, rounds, ...]. Returns [batch]. All noise levels
    count alike.
    """
    error = ops.square(estimates - x0[:, None])
    error = ops.mean(error, axis=tuple(range(2, len(error.shape))))
    return ops.mean(ops.log(error + 1e-9), axis=1)


def _refine(network, p, quadratic, trace, level):
    """Logarithm of a new spectrum: [batch, grid]."""
    quadratic, trace, p, level = (
        ops.cast(z, "float32")
        for z in (*(ops.log(z + 1e-12) for z in (quadratic, trace, p)), level)
    )
    base = p + _log(p.shape[-1]) + 0.5 * (quadratic - trace)
    same = ops.zeros_like(base)
    features = [p + _log(p.shape[-1]), quadratic, trace, quadratic - trace, level]
    features = ops.stack([z + same for z in features], axis=-1) / 4
    features, base = ops.stop_gradient(features), ops.stop_gradient(base)
    return base + network(features)


def _log(x) -> float:
    return float(np.log(x))


def _field(x):
    return kronecker.double(ops.view_as_complex(ops.cast(x, "float32")))


def _real(x):
    return ops.cast(ops.view_as_real(x), "float32")


def _noise(x, sigma, least=LEAST_NOISE):
    """Variance per complex element: [batch, snapshots, 1, 1], float64."""
    shape = (ops.shape(x)[0], x.shape[1], 1, 1, 1)
    sigma = ops.broadcast_to(ops.cast(sigma, "float64"), shape)
    return ops.clip(2 * sigma[..., 0] ** 2, least, 1e6)
