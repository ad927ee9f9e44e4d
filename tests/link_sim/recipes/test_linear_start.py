import numpy as np
import pytest

from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.receivers.semantic import SIGMA_INFINITE
from link_sim.recipes.linear_start import start_linear
from link_sim.recipes.semantic_batches import Transmission

pytestmark = pytest.mark.usefixtures("eager")

SYMBOLS, RANK, SIDE = 32, 3, 8


def quarter_patterns(seed, number):
    """Images whose quarters are RANK patterns each, weighted by signs."""
    rng = np.random.default_rng(0)
    patterns = 0.1 * rng.standard_normal((2, 2, RANK, SIDE, SIDE))
    signs = np.random.default_rng(seed).choice([-1, 1], (number, 2, 2, RANK))
    parts = np.einsum("bijr,ijrhw->bihjw", signs, patterns)
    return (parts.reshape(number, 2 * SIDE, 2 * SIDE, 1) + 1) / 2


def sent_alone(seed, number=100):
    """A batch without noise, as `semantic_batch` has it."""
    images = quarter_patterns(seed, number).astype("float32")
    inputs = (
        images,
        np.zeros_like(images),
        np.full((number, 1, 1, 1), SIGMA_INFINITE, "float32"),
        np.zeros((number, SYMBOLS, 2), "float32"),
        np.full((number, SYMBOLS), 1e-6, "float32"),
        np.full((number, 1), SYMBOLS, "float32"),
    )
    return inputs, 2 * images - 1, np.ones(images.shape[:-1], "float32")


def test_images_of_few_components_arrive_before_any_training():
    shape = 2 * SIDE, 2 * SIDE, 1
    encoder = SemanticEncoder(shape, 2 * SYMBOLS, (4, 16, 64, 32))
    denoiser = SemanticDenoiser(shape, 2 * SYMBOLS, 2, 0.2, (32, 32), (1, 1))
    transmission = Transmission(encoder, denoiser)
    start_linear(transmission, [sent_alone(seed) for seed in range(4)])
    inputs, x0, _ = sent_alone(9)
    error = np.mean((np.asarray(transmission(*inputs)) - x0) ** 2)
    # every sign pattern has the same energy up to the correlation of its patterns,
    # which the normalisation of the power leaves uncertain
    assert error < 0.05 * np.var(x0)
