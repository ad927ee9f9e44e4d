"""Functions that build the codecs of `catalog.FEEDBACK` for a `FeedbackContext`."""

from link_sim.models.kronecker_mixture import covariances, fit_mixture
from link_sim.receivers.context import FeedbackContext
from link_sim.receivers.feedback.codecs import GenieCodec, TransformCodec
from link_sim.receivers.feedback.paths import PathsCodec


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
