"""Denoisers applied to channels Y = H P + N: the noisy channel, and error variances."""

import keras
from keras import ops

from link_sim.models.kronecker import as_complex, square

PROBE = 0.05
"""Size of the step by which divergences are measured, relative to the noise."""

ROUNDING = 2e-5
"""Noise over energy of the observation below which message passing in single precision
no longer converges."""


def audible(y, no):
    """`no`, but at least `ROUNDING` of the energy of `y`: [batch, 1, 1]."""
    energy = ops.mean(ops.abs(y) ** 2, axis=(1, 2), keepdims=True)
    return ops.maximum(no, ROUNDING * energy)


def matched(y, pilots, no):
    """`y P^H / |p|^2` and its noise variance, [batch, 1, 1], for orthogonal rows."""
    energy = ops.mean(ops.sum(ops.abs(pilots) ** 2, axis=-1), axis=-1)[:, None, None]
    return ops.matmul(y, hermitian(pilots)) / as_complex(energy), no / energy


def denoise(denoiser, x, variance):
    """The estimate from `x`, and the variance of its error, `variance div / n`.

    By Stein's lemma the error of an MMSE estimate per real dimension is the noise times
    its mean derivative, measured along random signs. x: [batch, receive, transmit],
    complex; variance per complex element: [batch, 1, 1].
    """
    step = PROBE * ops.sqrt(variance)
    moved = x + as_complex(step) * signs_like(x.shape)
    step = moved - x  # as rounded
    x0_hat, beside = (estimate(denoiser, z, variance) for z in (x, moved))
    slope = ops.real(ops.conj(step) * (beside - x0_hat))
    slope, size = (
        ops.mean(z, axis=(1, 2), keepdims=True) for z in (slope, square(step))
    )
    return x0_hat, variance * ops.clip(slope / size, 1e-4, 0.9999)


def denoised(denoiser, x, variance):
    """`denoise` of NumPy arrays, in single precision; complex128 and float64."""
    h_hat, err_var = denoise(
        denoiser, x.astype("complex64"), variance.astype("float32")
    )
    h_hat, err_var = (ops.convert_to_numpy(z) for z in (h_hat, err_var))
    return h_hat.astype("complex128"), err_var.astype("float64")


def estimate(denoiser, x, variance):
    """`denoiser` of complex channels [batch, receive, transmit] with white noise.

    variance: of the noise per complex element, [batch, 1, 1].
    """
    x = ops.view_as_real(x)[:, None]
    sigma = ops.sqrt(variance / 2)[:, None, :, :, None]
    return ops.view_as_complex(denoiser(x, sigma)[:, 0])


def signs_like(shape):
    """Complex numbers of magnitude 1 with random signs, always the same ones."""
    signs = ops.sign(keras.random.normal((*shape, 2), seed=1))
    return ops.view_as_complex(signs / 2**0.5)


def hermitian(x):
    """Conjugate transposes of matrices in the last two axes."""
    return ops.conj(ops.swapaxes(x, -1, -2))
