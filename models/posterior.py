"""Conditioning a denoiser on a linear observation `y = A x0 + n`."""

from keras import ops


class LinearGaussianLikelihood:
    """The observation `y = A x0 + n`, `n ~ N(0, variance I)`, of real vectors.

    Args:
        matrix: A, [observations, dimension] or with leading batch axes.
        variance: Of the noise, per real dimension; a scalar or [batch, 1].
    """

    def __init__(self, matrix, variance):
        self.matrix = ops.convert_to_tensor(matrix, "float32")
        self.variance = ops.convert_to_tensor(variance, "float32")

    def update(self, mean, variance, y):
        """Posterior mean of `x0 ~ N(mean, variance I)` given `y`.

            mean + r^2 A^T (r^2 A A^T + variance I)^(-1) (y - A mean)

        Args:
            mean: [..., dimension].
            variance: r^2, per real dimension; a scalar or [..., 1].
            y: [..., observations].
        """
        transposed = ops.swapaxes(self.matrix, -1, -2)
        gram = ops.matmul(self.matrix, transposed)
        identity = ops.eye(gram.shape[-1], dtype="float32")
        covariance = variance[..., None] * gram + self.variance[..., None] * identity
        gap = y[..., None] - ops.matmul(self.matrix, mean[..., None])
        gain = ops.matmul(transposed, ops.solve(covariance, gap))
        return mean + variance * gain[..., 0]


class PosteriorDenoiser:
    """The denoiser of `x0` given also `y`: any sampler then samples the posterior.

    Treats `x0 | x` as N(x0_hat, r^2 I) with `r^2 = sigma^2 sigma_data^2 / (sigma^2 +
    sigma_data^2)` and conditions on `y` in closed form (in the family of Song et al.
    2023, pseudoinverse-guided diffusion). Exact for a white Gaussian prior of that
    variance; no gradient through the network is needed.

    Args:
        denoiser: Of the prior, on [..., dimension].
        likelihood: How `y` follows from x0.
        y: [..., observations].
        sigma_data: Standard deviation of the prior per real dimension.
    """

    def __init__(self, denoiser, likelihood, y, sigma_data=1.0):
        self.denoiser = denoiser
        self.likelihood = likelihood
        self.y = ops.convert_to_tensor(y, "float32")
        self.sigma_data = sigma_data

    def __call__(self, x, sigma):
        power, data = ops.cast(sigma, "float32") ** 2, self.sigma_data**2
        r_squared = power * data / (power + data) * ops.ones_like(x[..., :1])
        return self.likelihood.update(self.denoiser(x, sigma), r_squared, self.y)
