"""Training data of the learned message passing, and a training of two steps."""

import numpy as np
import pytest

from link_sim.models.pretrained import load_model, read_card
from link_sim.recipes import detection
from link_sim.recipes.table import RECIPES

pytestmark = pytest.mark.usefixtures("eager")


def test_data_of_a_step_depend_on_its_number_alone():
    first, again, other = (
        detection.batch(step, seed=1, size=8, bits=4, priors=1.0) for step in (3, 3, 4)
    )
    for a, b, c in zip(first[0], again[0], other[0], strict=True):
        assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert first[0][0].shape == (4, 64) and first[0][5].shape == (4, 64, 64)
    assert first[1].shape == (8 // 2, 2 * (16 + 32))


def test_a_priori_llrs_are_what_they_say():
    """p(1) = 1 / (1 + exp(-l)): the mean of the errors they state is that they make."""
    rng = np.random.default_rng(0)
    b = rng.integers(0, 2, (4000, 2, 2))
    llr = detection.apriori(rng, b, share=0.75)
    known = llr[np.any(llr != 0, axis=(1, 2))]
    assert abs(len(known) / 4000 - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 4000)
    stated = 1 / (1 + np.exp(np.abs(llr)))
    wrong = np.where(llr == 0, 0.5, (llr > 0) != b)
    assert abs(np.mean(wrong - stated)) < 4 * np.sqrt(0.25 / b.size)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{}, {"messages": 0}, {"corrections": 0}])
def test_the_recipe_writes_weights_and_their_quality(tmp_path, monkeypatch, parts):
    monkeypatch.setattr(detection, "STREAMS", (1, 2))
    monkeypatch.setattr(detection, "ANTENNAS", 4)
    measured = detection.quality
    monkeypatch.setattr(detection, "quality", lambda *a: measured(*a, vectors=4))
    RECIPES["amp-gnn-qpsk"].open()(tmp_path, steps=2, size=4, layers=2, **parts)
    card = read_card(str(tmp_path / "amp-gnn-qpsk.npz"))
    assert card["quality"]["vectors"] == 4 and card["recipe"]["steps"] == 2
    network = load_model(str(tmp_path / "amp-gnn-qpsk.npz"))
    assert network.layers == 2
    assert network.messages == parts.get("messages", True)
    assert network.corrections == parts.get("corrections", True)
