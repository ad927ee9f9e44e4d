"""Functions that build the estimators of `catalog.FIELDS` for a `FieldContext`."""

from functools import partial

import numpy as np

from link_sim.models.kronecker_mixture import covariances, fit_mixture, leaning
from link_sim.models.pretrained import load_model
from link_sim.receivers.context import FieldContext
from link_sim.receivers.estimation import (
    field_network,
    fields,
    gridless,
    prediction,
)

SPACING = 20e6 / 64
"""Of the subcarriers of `csi-site` [Hz]."""


def least_squares(context: FieldContext):
    return _over(fields.least_squares, context)


def lmmse(context: FieldContext):
    """Of several ensembles that are known, the mixture of their Gaussians."""
    known = [(1.0, *covariances(h)) for h in context.learned()]
    return lambda y, no, carriers: fields.lmmse(y, no, carriers, known)


def few(context: FieldContext, users: int = 16):
    """Of users drawn by chance. Raises `ValueError` for more than there are."""
    h = np.concatenate(context.learned())
    if users > len(h):
        raise ValueError(
            f"lmmse-few-{users} learns from {users} users, and there are {len(h)}: "
            "ask for fewer"
        )
    own = h[np.random.default_rng(0).permutation(len(h))[:users]]
    known = leaning(covariances(own), covariances(context.elsewhere()))
    return lambda y, no, carriers: fields.lmmse(y, no, carriers, known)


def mixture(context: FieldContext, components: int = 32):
    known = [c for h in context.learned() for c in fit_mixture(h, components)]
    return lambda y, no, carriers: fields.lmmse(y, no, carriers, known)


def nearest(context: FieldContext):
    examples = np.concatenate(context.learned())
    return lambda y, no, carriers: fields.nearest(y, no, carriers, examples)


def nomp(context: FieldContext):
    return _over(gridless.nomp, context)


def _by_spectra(estimator, context: FieldContext, preset: str):
    denoiser = load_model(preset)

    def estimate(y, no, carriers):
        return estimator(denoiser, y, no, carriers, context.frequencies)

    return estimate


score = partial(_by_spectra, fields.score)
score_paths = partial(_by_spectra, fields.score_paths)


def neural(context: FieldContext, preset: str):
    network = _network(context, preset)
    return lambda y, no, carriers: field_network.posterior(network, y, no)


def neural_located(context: FieldContext, preset: str):
    network = _network(context, preset)

    def estimate(y, no, carriers, places, sight):
        condition = field_network.condition_of(places, sight)
        return field_network.posterior(network, y, no, condition)

    return estimate


def _network(context: FieldContext, preset: str):
    """Raises `ValueError` for a cell that the network was not trained for."""
    network, spacing = load_model(preset), np.diff(context.frequencies)
    grid = context.antennas, len(context.frequencies)
    if list(grid) != network.config["grid"] or not np.allclose(spacing, SPACING):
        raise ValueError(
            "neural and neural-located know the 16 antennas, 64 subcarriers and 20 MHz "
            "that they were trained on: leave site.antennas, site.subcarriers and "
            "site.bandwidth as they are, or use score"
        )
    return network


def genie(context: FieldContext):
    return fields.genie


def _over(estimator, context: FieldContext):
    """An estimator over all carriers."""
    total = len(context.frequencies)
    return lambda y, no, carriers: estimator(y, no, carriers, total)


def hold(context: FieldContext, preset: str):
    return _ahead_by_spectra(prediction.hold, context, preset)


def kalman(context: FieldContext):
    return _ahead_by_covariance(prediction.first_order, context)


def predicting_lmmse(context: FieldContext):
    return _ahead_by_covariance(prediction.jakes, context)


def predicting_score(context: FieldContext, preset: str):
    return _ahead_by_spectra(prediction.score, context, preset)


def predicting_nomp(context: FieldContext):
    return prediction.nomp


def predicting_score_paths(context: FieldContext, preset: str):
    return _ahead_by_spectra(prediction.score_paths, context, preset)


def predicting_genie(context: FieldContext):
    return prediction.genie


def _ahead_by_spectra(predictor, context: FieldContext, preset: str):
    denoiser = load_model(preset)
    return partial(predictor, denoiser, frequencies=context.frequencies)


def _ahead_by_covariance(correlation, context: FieldContext):
    (h,) = context.learned()
    return partial(prediction.linear, correlation, [(1.0, *covariances(h))])
