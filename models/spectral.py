"""A denoiser of Gaussian fields whose power spectra are unknown."""

import keras
import numpy as np
from keras import ops

DILATIONS = 1, 2, 4, 1
EXCESS = 1.07
"""How much larger the error is than the covariance says, since that is estimated:
measured on UMi drops at -5 to 15 dB."""
FEATURES = 5


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

    Call arguments:
        x: [batch, snapshots, length_1, length_2, 2], real and imaginary parts;
            snapshots share their spectra and are otherwise independent.
        sigma: Noise per real dimension; broadcasts to [batch, snapshots, 1, 1, 1].
        responses: Of both axes, complex [axis length, points] or [batch, axis length,
            points]; those of the arrays if not given.

    Returns `x0_hat` like x; in training the estimates after each round, [batch,
    rounds, snapshots, length_1, length_2, 2], so that every round learns.
    """

    def __init__(self, lengths, points, rounds: int = 2, width: int = 32, **kwargs):
        super().__init__(**kwargs)
        self.lengths, self.points = tuple(lengths), tuple(points)
        self.rounds, self.width = rounds, width
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
        return super().__call__(x, sigma, responses, **kwargs)

    def call(self, x, sigma, responses=None, training=False):
        y, no = ops.view_as_complex(x), _noise(x, sigma)
        rounds = self._rounds(y, no, responses or self.responses)
        rounds = [ops.view_as_real(_wiener(*r[1:], y, no)) for r in rounds]
        return ops.stack(rounds, axis=1) if training else rounds[-1]

    def posterior(self, x, sigma, wanted, responses=None):
        """Mean and variance of the field at other points, whose responses are `wanted`.

        x, sigma, responses: As in a call. wanted: (F_1', F_2') over the grids of the
        spectra, complex [outputs, points] each. Returns complex [batch, snapshots,
        outputs_1, outputs_2] and float of the same shape. Where the observation lies
        further from the model than its noise explains, the variance grows with the
        mean square of the whitened observation (Birge 1932).
        """
        y, no = ops.view_as_complex(x), _noise(x, sigma)
        responses = responses or self.responses
        spectra, _, modes = self._rounds(y, no, responses)[-1]
        (first, left), (second, right) = modes
        power = first[:, None, :, None] * second[:, None, None, :] + no
        wanted = [ops.convert_to_tensor(f, "complex64") for f in wanted]
        crosses = [
            ops.matmul(f * as_complex(p[:, None]), _h(own))
            for f, p, own in zip(wanted, spectra, responses, strict=True)
        ]
        pairs = zip(crosses, (left, right), strict=True)
        left_out, right_out = (ops.matmul(*pair)[:, None] for pair in pairs)
        z = _into(left, right, y) / as_complex(power)
        mean = _between(left_out, z, right_out)
        misfit = ops.mean(ops.abs(z) ** 2 * power, axis=(1, 2, 3), keepdims=True)
        explained = _between(ops.abs(left_out) ** 2, 1 / power, ops.abs(right_out) ** 2)
        prior = [
            ops.matmul(p[:, None], ops.swapaxes(ops.abs(f) ** 2, -1, -2))
            for f, p in zip(wanted, spectra, strict=True)
        ]
        prior = ops.swapaxes(prior[0], -1, -2)[:, None] * prior[1][:, None]
        variance = ops.maximum(prior - explained, 1e-6 * prior)
        return mean, EXCESS * ops.maximum(misfit, 1.0) * variance

    def get_config(self):
        config = {"lengths": self.lengths, "points": self.points}
        config |= {"rounds": self.rounds, "width": self.width}
        return {**super().get_config(), **config}

    def _rounds(self, y, no, responses) -> list:
        """Spectra, covariances and their modes of both axes, after each round."""
        spectra = [ops.ones((1, size), "float32") / size for size in self.points]
        modes, rounds = _modes(_covariances(responses, spectra)), []
        for first in range(0, 2 * self.rounds, 2):
            slopes = _slopes(responses, modes, y, no)
            level = -ops.log(ops.mean(1 / no[:, :, 0], axis=1))
            first, second = (
                _refine(self.networks[first + i], spectra[i], *slopes[i], level)
                for i in (0, 1)
            )
            spectra = [
                ops.softmax(first),
                ops.exp(ops.clip(second, -25, 9)) / self.points[1],
            ]
            covariances = _covariances(responses, spectra)
            modes = _modes(covariances)
            rounds.append((spectra, covariances, modes))
        return rounds


@keras.saving.register_keras_serializable(package="link_sim")
class SpectrumNetwork(keras.layers.Layer):
    """Circular convolutions over a spectrum, [batch, grid, features] -> [batch, grid].

    It starts at zero.
    """

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        layers = keras.layers
        self.local = [layers.Conv1D(width, 7, dilation_rate=d) for d in DILATIONS]
        self.pooled = [layers.Dense(width) for _ in DILATIONS]
        self.last = layers.Dense(1, kernel_initializer="zeros")

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
            new = ops.silu(local(padded) + pooled(ops.mean(x, axis=1))[:, None])
            x = x + new if x.shape == new.shape else new
        return self.last(x)[..., 0]


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
    quadratic, trace, p = (ops.log(z + 1e-12) for z in (quadratic, trace, p))
    base = p + _log(p.shape[-1]) + 0.5 * (quadratic - trace)
    same = ops.zeros_like(base)
    features = [p + _log(p.shape[-1]), quadratic, trace, quadratic - trace, level]
    features = ops.stack([z + same for z in features], axis=-1) / 4
    features, base = ops.stop_gradient(features), ops.stop_gradient(base)
    return base + network(features)


def _log(x) -> float:
    return float(np.log(x))


def _covariances(responses, spectra):
    pairs = zip(responses, spectra, strict=True)
    return [ops.matmul(f * as_complex(p[:, None]), _h(f)) for f, p in pairs]


def _modes(covariances):
    """Eigenvalues and eigenvectors of both axes; no gradient flows through them."""
    modes = []
    for covariance in covariances:
        values, vectors = ops.linalg.eigh(ops.stop_gradient(covariance))
        modes.append((ops.maximum(ops.real(values), 0.0), vectors))
    return modes


def _slopes(responses, modes, y, no) -> list:
    """`f^H R^-1 y y^H R^-1 f` and `f^H R^-1 f` for the grid points of each axis.

    Averaged over snapshots, summed over the modes of the other axis: pairs [batch,
    grid].
    """
    (first, left), (second, right) = modes
    power = first[:, None, :, None] * second[:, None, None, :] + no
    whitened = _into(left, right, y) / as_complex(power)
    f, g = (_h(ops.convert_to_tensor(response)) for response in responses)
    left, right = ops.matmul(f, left)[:, None], ops.matmul(g, right)[:, None]
    first, second = first[:, None, :, None], second[:, None, None, :]
    along_1 = ops.abs(ops.matmul(left, whitened)) ** 2 * second
    along_2 = ops.abs(ops.matmul(whitened, ops.swapaxes(right, -1, -2))) ** 2 * first
    inverse_1 = ops.sum(second / power, axis=-1, keepdims=True)
    inverse_2 = ops.sum(first / power, axis=-2)[..., None]
    traces = (
        ops.matmul(ops.abs(vectors) ** 2, inverse)[..., 0]
        for vectors, inverse in ((left, inverse_1), (right, inverse_2))
    )
    quadratics = ops.sum(along_1, axis=-1), ops.sum(along_2, axis=-2)
    pairs = zip(quadratics, traces, strict=True)
    return [tuple(ops.mean(z, axis=1) for z in pair) for pair in pairs]


def _wiener(covariances, modes, y, no):
    """`C R^-1 y = y - no R^-1 y`, with the gradient of the covariances.

    The modes carry no gradient. A change dC of the covariance changes the estimate by
    `no R^-1 dC R^-1 y`, which is added with value zero.
    """
    (first, left), (second, right) = modes
    power = first[:, None, :, None] * second[:, None, None, :] + no

    def solve(z):
        return _back(left, right, _into(left, right, z) / as_complex(power))

    solved = solve(y)
    first, second = (c[:, None] for c in covariances)
    change = ops.matmul(ops.matmul(first, solved), ops.swapaxes(second, -1, -2))
    change = solve(change - ops.stop_gradient(change))
    return y - as_complex(no) * solved + as_complex(no) * change


def _into(left, right, y):
    """`U_1^H y U_2^*`: coordinates in the eigenbasis of C_1 x C_2."""
    return _between(_h(left)[:, None], y, _h(right)[:, None])


def _back(left, right, z):
    return _between(left[:, None], z, right[:, None])


def _between(left, z, right):
    """`left z right^T`."""
    return ops.matmul(ops.matmul(left, z), ops.swapaxes(right, -1, -2))


def _h(x):
    return ops.conj(ops.swapaxes(x, -1, -2))


def as_complex(x):
    """Real numbers as complex ones (a cast would warn about its gradient)."""
    x = ops.convert_to_tensor(x)
    return ops.view_as_complex(ops.stack([x, ops.zeros_like(x)], axis=-1))


def _noise(x, sigma):
    """Variance per complex element: [batch, snapshots, 1, 1]."""
    shape = (ops.shape(x)[0], x.shape[1], 1, 1, 1)
    sigma = ops.broadcast_to(ops.cast(sigma, "float32"), shape)
    return 2 * ops.clip(sigma, 1e-4, 1e3)[..., 0] ** 2
