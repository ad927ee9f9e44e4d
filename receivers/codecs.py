"""Functions that build the codecs of `catalog.FEEDBACK` for a `FeedbackContext`."""

from link_sim.models.kronecker_mixture import covariances, fit_mixture
from link_sim.models.pretrained import load_model
from link_sim.receivers.context import FeedbackContext
from link_sim.receivers.feedback.autoencoder import AutoencoderCodec
from link_sim.receivers.feedback.codecs import GenieCodec, TransformCodec
from link_sim.receivers.feedback.paths import PathsCodec
from link_sim.receivers.feedback.sequential import SequentialCodec


def genie(context: FeedbackContext):
    return GenieCodec()


def genie_scalar(context: FeedbackContext):
    return GenieCodec(states=1)


def transform(context: FeedbackContext):
    return TransformCodec([(1.0, *covariances(context.learned()))])


def everywhere(context: FeedbackContext):
    """Of the covariance of UMi and the site together."""
    return TransformCodec([(1.0, *covariances(context.everywhere()))])


def mixture(context: FeedbackContext, components: int = 32):
    return TransformCodec(fit_mixture(context.learned(), components))


def paths(context: FeedbackContext, most: int = 16):
    return PathsCodec(context.learned(), most)


def sequential(context: FeedbackContext, components: int = 32):
    return SequentialCodec(fit_mixture(context.learned(), components))


def autoencoder(context: FeedbackContext, preset: str):
    """Raises `ValueError` for other fields than the network has learned."""
    network, shape = load_model(preset), context.learned().shape[1:]
    if shape != network.shape:
        raise ValueError(
            "autoencoder is for {} antennas and {} subcarriers, and there are {} and "
            "{}: leave it out, or train another".format(*network.shape, *shape)
        )
    return AutoencoderCodec(network)
