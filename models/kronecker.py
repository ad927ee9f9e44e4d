"""Gaussian fields over two axes whose covariance is a Kronecker product C_1 x C_2.

Fields are [batch, snapshots, length_1, length_2], complex; `no` is the noise variance
per element, [batch, snapshots, 1, 1]. All of it in double precision: a covariance of
few directions is singular to single precision long before the noise vanishes.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops


@dataclass(frozen=True)
class Response:
    """How one axis of a field responds to its spectrum.

    matrix : [length, points] or [batch, length, points], complex
    start : spectrum of power one that is expected before anything is seen, [1, points]
    modes : eigenvalues and eigenvectors of its covariance under `start`, found once
        where the matrix is known beforehand
    """

    matrix: np.ndarray
    start: np.ndarray
    modes: tuple


def response(matrix, start=None) -> Response:
    """Of a matrix, or of one that is a `Response` already; `start` is flat if None."""
    if isinstance(matrix, Response):
        return matrix
    points = matrix.shape[-1]
    start = np.full(points, 1 / points) if start is None else np.asarray(start)
    loads = np.sqrt(start)
    if isinstance(matrix, np.ndarray):
        matrix = matrix.astype("complex128")
        root = matrix * loads
        expected = root @ np.conj(np.swapaxes(root, -1, -2))
        values, vectors = np.linalg.eigh(expected.reshape(-1, *expected.shape[-2:]))
        found = np.maximum(values, 0.0), vectors
    else:
        matrix = double(matrix)
        root = matrix * loads.astype("complex128")
        expected = root @ adjoint(root)
        found = modes(ops.reshape(expected, (-1, *expected.shape[-2:])))
    return Response(matrix, start.astype("float32")[None], found)


def in_tensors(own: Response) -> Response:
    """The same, of tensors: PyTorch does not calculate with arrays beside them."""
    parts = own.matrix, own.start, own.modes  # `astuple` would copy tensors of graphs
    return Response(*keras.tree.map_structure(ops.convert_to_tensor, parts))


def covariance(matrix, spectrum):
    """`F diag(p) F^H`: [batch, length, length], complex128."""
    return matrix * double(as_complex(spectrum))[:, None] @ adjoint(matrix)


def modes(covariance):
    """Eigenvalues and eigenvectors; no gradient flows through them."""
    values, vectors = ops.linalg.eigh(ops.stop_gradient(covariance))
    return ops.relu(ops.real(values)), vectors


def powers(modes, no):
    """Of the modes of noisy fields: [batch, snapshots, length_1, length_2]."""
    (first, _), (second, _) = modes
    return first[:, None, :, None] * second[:, None, None, :] + no


def slopes(responses, modes, y, no, seen) -> list:
    """`f^H R^-1 y y^H R^-1 f` and `f^H R^-1 f` for the grid points of each axis.

    R = C_1 x C_2 + seen I, and y is taken as if its noise were raised from `no` to
    `seen`, by the expectation over what is added. Averaged over snapshots, summed over
    the modes of the other axis: pairs [batch, points].
    """
    (first, left), (second, right) = modes
    power = powers(modes, seen)
    whitened = into(left, right, y) / double(power)
    f, g = (adjoint(response.matrix) for response in responses)
    left, right = (f @ left)[:, None], (g @ right)[:, None]
    first, second = first[:, None, :, None], second[:, None, None, :]
    along_1 = square(left @ whitened) * second
    along_2 = square(whitened @ ops.swapaxes(right, -1, -2)) * first
    quadratics = ops.sum(along_1, axis=-1), ops.sum(along_2, axis=-2)
    left, right = square(left)[:, 0], square(right)[:, 0]

    def traces(inverse):
        """`f^H M f` for a diagonal matrix M in the basis of the modes, averaged."""
        inverse_1 = ops.mean(ops.sum(second * inverse, axis=-1), axis=1)[..., None]
        inverse_2 = ops.mean(ops.sum(first * inverse, axis=-2), axis=1)[..., None]
        return (left @ inverse_1)[..., 0], (right @ inverse_2)[..., 0]

    triples = zip(
        quadratics, traces((seen - no) / power**2), traces(1 / power), strict=True
    )
    return [(ops.mean(q, axis=1) + e, t) for q, e, t in triples]


def wiener(covariances, modes, y, no):
    """`C R^-1 y = y - no R^-1 y`, with the gradient of the covariances.

    The modes carry no gradient. A change dC of the covariance changes the estimate by
    `no R^-1 dC R^-1 y`, which is added with value zero.
    """
    (_, left), (_, right) = modes
    power, no = double(powers(modes, no)), double(no)

    def solve(z):
        return between(left[:, None], into(left, right, z) / power, right[:, None])

    solved = solve(y)
    first, second = (c[:, None] for c in covariances)
    change = (first @ solved) @ ops.swapaxes(second, -1, -2)
    change = solve(change - ops.stop_gradient(change))
    return y - no * solved + no * change


def conditional(wanted, spectra, responses, modes, y, no, assumed):
    """Mean and variance of the field at other points, and the mean of its variance
    where it is observed, [batch, snapshots, 1, 1].

    wanted: responses (F_1', F_2') there, [outputs, points] each. assumed: noise, `no`
    at least, by which the mean weighs the observation; the variance is that of such a
    mean under the noise that `y` shows beside the field, and never under less than
    `no`.
    """
    (_, left), (_, right) = modes
    power = powers(modes, assumed)
    left, right = (
        ((f * double(p)[:, None] @ adjoint(own.matrix)) @ u)
        for f, p, own, u in zip(wanted, spectra, responses, (left, right), strict=True)
    )
    seen = into(*(u for _, u in modes), y)
    mean = between(left[:, None], seen / double(power), right[:, None])
    more = assumed * surplus(square(seen), power, assumed, no / assumed - 1)
    more = ops.maximum(more, no - assumed)
    loads = square(left)[:, None], square(right)[:, None]
    explained = between(loads[0], 1 / power - more / power**2, loads[1])
    first, second = (
        (ops.cast(p, "float64") @ ops.swapaxes(square(f), -1, -2))
        for f, p in zip(wanted, spectra, strict=True)
    )
    prior = (first[:, :, None] * second[:, None])[:, None]
    variance = ops.maximum(prior - explained, ROUNDING * prior)
    signal = power - assumed
    told = signal - signal**2 * (1 / power - more / power**2)
    return mean, variance, ops.mean(told, axis=(2, 3), keepdims=True)


def surplus(energies, power, no, expected):
    """How much more noise there is than `no`, relative to it: [batch, 1, 1, 1].

    By one step of Fisher's scoring for its variance, as if `expected` of it were known
    beforehand as well as by one observation of nothing else.

    energies, power: of the modes of the noisy fields, measured and expected
    """
    axes = (1, 2, 3)
    slope = ops.sum(no * (energies - power) / power**2, axis=axes, keepdims=True)
    known = ops.sum((no / power) ** 2, axis=axes, keepdims=True)
    return (ops.mean(expected, axis=axes, keepdims=True) + slope) / (1 + known)


ROUNDING = 1e-13
"""Relative error of differences of powers."""


def into(left, right, y):
    """`U_1^H y U_2^*`: coordinates in the eigenbasis of C_1 x C_2."""
    return between(adjoint(left)[:, None], y, adjoint(right)[:, None])


def between(left, z, right):
    """`left z right^T`."""
    return (left @ z) @ ops.swapaxes(right, -1, -2)


def adjoint(x):
    """Conjugate transposes of matrices in the last two axes."""
    return ops.conj(ops.swapaxes(x, -1, -2))


def square(x):
    """`|x|^2`."""
    return ops.square(ops.real(x)) + ops.square(ops.imag(x))


def as_complex(x):
    """Real numbers as complex64 ones (a cast would warn about its gradient)."""
    x = ops.convert_to_tensor(x)
    return ops.view_as_complex(ops.stack([x, ops.zeros_like(x)], axis=-1))


def double(x):
    """Numbers as complex128.

    Raises `ValueError` where JAX is not set to know them.
    """
    found = ops.cast(x, "complex128")
    if keras.backend.standardize_dtype(found.dtype) != "complex128":
        raise ValueError(
            "covariances need double precision, which JAX leaves out unless asked: set "
            "the environment variable JAX_ENABLE_X64=1"
        )
    return found
