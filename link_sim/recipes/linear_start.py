"""The start of semantic training: the best linear analog transmission.

Learning a linear transform of a thousand dimensions by gradients takes longer than all
that comes after it, so it is computed: principal components of each quarter of the
images, sent in the order of their variances with the power that is best for linear
analog transmission, proportional to the square root of the variance (Lee and Petersen,
"Optimal linear coding for vector channels", 1976), and received by least squares.
"""

import keras
import numpy as np

from link_sim.models.layers import space_to_depth
from link_sim.models.semantic import deal

OFFSET = 3.0
"""Standard deviations by which linear features are lifted: ReLU hardly clips them."""

PILOT = 6.0
"""Added to a feature that is always sent: with it a receiver can find out the
amplitude, which the normalisation of the power takes from each image."""


def start_linear(transmission, batches) -> None:
    """Sets encoder and denoiser of a `Transmission` to linear transmission.

    batches : inputs and targets of `semantic_batch`, a list; their images are what the
        components are computed from.
    """
    images = np.concatenate([inputs[0] for inputs, *_ in batches])
    encoder, denoiser = transmission.encoder, transmission.denoiser
    features = _start_convolutions(encoder, images)
    targets = _components(images, denoiser.config["num_features"])
    dense = encoder.layers[-1]
    kernel, bias = (np.zeros(v.shape, "float32") for v in dense.get_weights())
    length = targets.shape[-1]  # a variational encoder's logarithms of variances follow
    kernel[:, :length], bias[:length] = _least_squares(features, targets)
    bias[length:] = -4
    dense.set_weights([kernel, bias])
    _start_gain(denoiser.gain, targets)
    _start_linear_estimate(transmission, batches)


def _start_convolutions(encoder, images):
    """Sets convolutions to local principal components; returns features, flat."""
    x, num_linear = 2 * images - 1, images.shape[-1]
    kinds = keras.layers.Conv2D, keras.layers.BatchNormalization
    layers = [[v for v in encoder.layers if isinstance(v, kind)] for kind in kinds]
    for convolution, norm in zip(*layers, strict=True):
        kernel = convolution.get_weights()[0]
        vectors = np.linalg.eigh(np.cov(_blocks(x[..., :num_linear]).T))[1]
        vectors = vectors[:, ::-1][:, : kernel.shape[-1]]
        size = vectors.shape[-1]
        kernel[..., :size] = 0
        kernel[:2, :2, :num_linear, :size] = vectors.reshape(2, 2, num_linear, size)
        convolution.set_weights([kernel])
        y = np.asarray(convolution(x))
        mean, variance = y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))
        gamma, beta = np.ones_like(mean), np.zeros_like(mean)
        gamma[:size] = np.sqrt(variance[:size] + norm.epsilon)
        beta[:size] = OFFSET * np.sqrt(variance[:size])
        norm.set_weights([gamma, beta, mean, variance])
        x = np.maximum(np.asarray(norm(y)), 0)
        num_linear = size
    return x.reshape(len(x), -1)


def _blocks(x):
    """What the first 2 x 2 weights of a convolution of stride 2 are applied to."""
    x = np.pad(x, ((0, 0), (x.shape[1] % 2, 0), (x.shape[2] % 2, 0), (0, 0)))
    return np.asarray(space_to_depth(x)).reshape(-1, 4 * x.shape[-1])


def _components(images, num_features: int):
    """The features to send, scaled to their powers, [images, num_features]."""
    quarters = _quarters(2 * images - 1)
    places = np.asarray(deal(np.arange(num_features)[None] + 1.0))[0].astype(int) - 1
    features = np.zeros((len(images), num_features), "float32")
    for quarter, place in zip(quarters, places, strict=True):
        place = place[place >= 0]
        centred = quarter - quarter.mean(axis=0)
        variances, vectors = np.linalg.eigh(centred.T @ centred / len(images))
        strongest = np.argsort(-variances)[: len(place)]
        scale = np.maximum(variances[strongest], 1e-6) ** -0.25
        features[:, place[: len(strongest)]] = centred @ vectors[:, strongest] * scale
    features[:, num_features // 16 - 1] += PILOT
    return features


def _start_gain(gain, features):
    """Undoes that of fewer symbols, sent with the same mean power, each is smaller."""
    real, imag = np.split(np.mean(features**2, axis=0), 2)
    share = np.arange(1, len(real) + 1) / len(real)
    amplitude = np.sqrt(share / np.cumsum(real + imag))
    first = len(real) // 8
    slope = np.polyfit(np.log(share[first:]), np.log(amplitude[first:]), 1)[0]
    kernel, bias = gain.get_weights()
    kernel[1] = -slope
    gain.set_weights([kernel, bias])


def _start_linear_estimate(transmission, batches):
    """Sets the linear estimate to weighted least squares over transmissions.

    Before, features are scaled back for the amplitude that so many symbols leave them.
    """
    denoiser = transmission.denoiser
    vectors, images, weights = [], [], []
    for (image, _, _, *channel), x0, weight in batches:
        vector = denoiser.scaled(*transmission.observe(image, *channel))
        vectors.append(np.asarray(deal(vector)))
        images.append(x0)
        weights.append(weight[:, 0, 0])
    vectors = np.concatenate(vectors).swapaxes(0, 1)
    quarters = _quarters(np.concatenate(images))
    weights = np.sqrt(np.concatenate(weights))[:, None]
    fits = [
        _least_squares(v, q, weights) for v, q in zip(vectors, quarters, strict=True)
    ]
    kernels, biases = (np.stack(arrays) for arrays in zip(*fits, strict=True))
    denoiser.kernel.assign(kernels)
    denoiser.bias.assign(biases[:, None])


def _quarters(images):
    """Quarters of images, [4, images, values]."""
    number, height, width, channels = images.shape
    parts = images.reshape(number, 2, height // 2, 2, width // 2, channels)
    return parts.transpose(1, 3, 0, 2, 4, 5).reshape(4, number, -1)


def _least_squares(inputs, targets, weights=1.0):
    """Kernel and bias of the linear function from inputs to targets."""
    inputs = np.pad(inputs, ((0, 0), (0, 1)), constant_values=1).astype("float64")
    inputs = weights * inputs
    gram = inputs.T @ inputs
    gram += 1e-5 * np.trace(gram) / len(gram) * np.eye(len(gram))
    solution = np.linalg.solve(gram, inputs.T @ (weights * targets))
    return solution[:-1].astype("float32"), solution[-1].astype("float32")
