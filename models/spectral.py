"""A denoiser of Gaussian fields whose power spectra are unknown."""

import keras
import numpy as np
from keras import ops

DILATIONS = 1, 2, 4, 1
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
    they serve fields of other lengths, see `with_responses`.

    Args:
        lengths: Of the two axes, uniform arrays in angle.
        points: Of their two grids.
        rounds: Number of estimates of the spectra.
        width: Channels of the networks.

    Call arguments:
        x: [batch, snapshots, length_1, length_2, 2], real and imaginary parts;
            snapshots share their spectra and are otherwise independent.
        sigma: Noise per real dimension; broadcasts to [batch, snapshots, 1, 1, 1].

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

    def __call__(self, x, sigma, **kwargs):
        if isinstance(sigma, float | np.floating):  # Keras takes tensors only
            sigma = ops.convert_to_tensor(sigma, "float32")
        return super().__call__(x, sigma, **kwargs)

    def call(self, x, sigma, training=False):
        y, no = ops.view_as_complex(x), _noise(x, sigma)
        rounds = self._rounds(y, no)
        if not training:
            return ops.view_as_real(_wiener(*rounds[-1], y, no))
        return ops.stack([ops.view_as_real(_wiener(*r, y, no)) for r in rounds], 1)

    def posterior(self, x, sigma, maps):
        """Mean and variance of `M_1 x0 M_2^T`, linear functions of the field.

        maps: (M_1, M_2), complex, [outputs, axis length] each. Returns complex
        [batch, snapshots, outputs_1, outputs_2] and float of the same shape.
        """
        y, no = ops.view_as_complex(x), _noise(x, sigma)
        covariances, modes = self._rounds(y, no)[-1]
        first, second = (ops.convert_to_tensor(m, "complex64") for m in maps)
        x0_hat = _wiener(covariances, modes, y, no)
        x0_hat = ops.matmul(ops.matmul(first, x0_hat), ops.transpose(second))
        (values, left), (others, right) = modes
        left, right = (ops.matmul(*pair) for pair in ((first, left), (second, right)))
        left, right = ops.abs(left[:, None]) ** 2, ops.abs(right[:, None]) ** 2
        power = values[:, None, :, None] * others[:, None, None, :]
        kept = power * no / (power + no)
        return x0_hat, _between(left, kept, right)

    def with_responses(self, responses) -> "SpectralDenoiser":
        """The same networks for fields with other responses, [axis length, points]."""
        lengths = [f.shape[0] for f in responses]
        other = SpectralDenoiser(lengths, self.points, self.rounds, self.width)
        other.responses = [np.asarray(f, "complex64") for f in responses]
        other.networks = self.networks
        return other

    def get_config(self):
        config = {"lengths": self.lengths, "points": self.points}
        config |= {"rounds": self.rounds, "width": self.width}
        return {**super().get_config(), **config}

    def _rounds(self, y, no) -> list:
        """Covariances of both axes, and their modes, after each round."""
        spectra = [ops.ones((1, size), "float32") / size for size in self.points]
        modes, rounds = _modes(self._covariances(spectra)), []
        for first in range(0, 2 * self.rounds, 2):
            slopes = _slopes(self.responses, modes, y, no)
            level = ops.mean(ops.log(no[:, :, 0]), axis=1)
            first, second = (
                _refine(self.networks[first + i], spectra[i], *slopes[i], level)
                for i in (0, 1)
            )
            spectra = [
                ops.softmax(first),
                ops.exp(ops.clip(second, -25, 9)) / self.points[1],
            ]
            covariances = self._covariances(spectra)
            modes = _modes(covariances)
            rounds.append((covariances, modes))
        return rounds

    def _covariances(self, spectra):
        pairs = zip(self.responses, spectra, strict=True)
        return [ops.matmul(f * _c(p[:, None]), np.conj(f).T) for f, p in pairs]


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
    whitened = _into(left, right, y) / _c(power)
    f, g = (np.conj(response).T for response in responses)
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
        return _back(left, right, _into(left, right, z) / _c(power))

    solved = solve(y)
    first, second = (c[:, None] for c in covariances)
    change = ops.matmul(ops.matmul(first, solved), ops.swapaxes(second, -1, -2))
    change = solve(change - ops.stop_gradient(change))
    return y - _c(no) * solved + _c(no) * change


def _into(left, right, y):
    """`U_1^H y U_2^*`: coordinates in the eigenbasis of C_1 x C_2."""
    left = ops.conj(ops.swapaxes(left, -1, -2))[:, None]
    return _between(left, y, ops.conj(ops.swapaxes(right, -1, -2))[:, None])


def _back(left, right, z):
    return _between(left[:, None], z, right[:, None])


def _between(left, z, right):
    """`left z right^T`."""
    return ops.matmul(ops.matmul(left, z), ops.swapaxes(right, -1, -2))


def _c(x):
    """Real numbers as complex ones (a cast would warn about its gradient)."""
    x = ops.convert_to_tensor(x)
    return ops.view_as_complex(ops.stack([x, ops.zeros_like(x)], axis=-1))


def _noise(x, sigma):
    """Variance per complex element: [batch, snapshots, 1, 1]."""
    shape = (ops.shape(x)[0], x.shape[1], 1, 1, 1)
    sigma = ops.broadcast_to(ops.cast(sigma, "float32"), shape)
    return 2 * ops.clip(sigma, 1e-4, 1e3)[..., 0] ** 2
