"""Functions that build the estimators of `catalog.FIELDS` for a `FieldContext`."""

from functools import partial

from link_sim.models.kronecker_mixture import covariances, fit_mixture
from link_sim.models.pretrained import load_model
from link_sim.receivers.context import FieldContext
from link_sim.receivers.estimation import fields, gridless


def least_squares(context: FieldContext):
    return _over(fields.least_squares, context)


def lmmse(context: FieldContext):
    """Of several ensembles that are known, the mixture of their Gaussians."""
    known = [(1.0, *covariances(h)) for h in context.learned()]
    return lambda y, no, carriers: fields.lmmse(y, no, carriers, known)


def mixture(context: FieldContext, components: int = 32):
    known = [c for h in context.learned() for c in fit_mixture(h, components)]
    return lambda y, no, carriers: fields.lmmse(y, no, carriers, known)


def nomp(context: FieldContext):
    return _over(gridless.nomp, context)


def _by_spectra(estimator, context: FieldContext, preset: str):
    denoiser = load_model(preset)

    def estimate(y, no, carriers):
        return estimator(denoiser, y, no, carriers, context.frequencies)

    return estimate


score = partial(_by_spectra, fields.score)
score_paths = partial(_by_spectra, fields.score_paths)


def genie(context: FieldContext):
    return fields.genie


def _over(estimator, context: FieldContext):
    """An estimator over all carriers."""
    total = len(context.frequencies)
    return lambda y, no, carriers: estimator(y, no, carriers, total)
