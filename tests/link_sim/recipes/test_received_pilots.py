"""What `csi-planes` learns from, and what it reads off pilots."""

import keras
import numpy as np
import pytest

from link_sim.models.plane_spectrum import constant_axis, plane_denoiser, read_spectrum
from link_sim.models.pretrained import load_model
from link_sim.recipes import received_pilots as recipe
from link_sim.world import near_field

SIDE = 4
RESPONSES = recipe.plane_responses(SIDE)


@pytest.fixture(scope="module")
def untrained():
    keras.utils.set_random_seed(1)
    return plane_denoiser(*RESPONSES.shape)


def isotropic(side=SIDE):
    return near_field.isotropic(near_field.plane(side, side, 1.0, recipe.SPACING))


def test_channels_of_cells_have_unit_power_and_share_a_spectrum():
    h = recipe.cells(np.random.default_rng(1), 400, SIDE, 2)
    energy = np.mean(np.abs(h) ** 2, axis=(1, 2))
    assert abs(energy.mean() - 1) < 4 * energy.std() / np.sqrt(len(h))
    # one strong cluster at times: far from white
    assert np.std(energy) > 2 / np.sqrt(2 * SIDE**2)


def test_a_step_holds_received_pilots_and_no_channel():
    inputs, target, _ = recipe.pilot_batch(0, 1, 6)
    assert not np.any(target)
    shapes = [x.shape for x in inputs]
    for side, measurements, snapshots in recipe.CELLS:
        length = measurements or side**2
        assert (2, snapshots, length, 1, 2) in shapes
    y, sigma = inputs[:2]
    assert np.all(np.mean(y**2, axis=(1, 2, 3, 4)) > 0.5 * sigma[:, 0, 0, 0, 0] ** 2)


def test_a_step_holds_every_kind_of_cell(tmp_path):
    with pytest.raises(ValueError, match="use 3 or more"):
        recipe.train_planes(tmp_path, size=2)


def test_pilots_of_own_combiners_are_read_one_by_one(untrained):
    rng = np.random.default_rng(2)
    y = rng.standard_normal((2, SIDE**2, 2)) @ [1, 1j]
    each = [read_spectrum(untrained, RESPONSES, y[i : i + 1], 0.5) for i in range(2)]
    own = read_spectrum(untrained, np.stack([RESPONSES] * 2), y, 0.5)
    np.testing.assert_allclose(own, np.mean(each, axis=0), rtol=1e-4)
    assert np.all(own > 0)


@pytest.mark.slow
def test_more_pilots_come_nearer_to_the_oracle(untrained):
    gaps = [
        recipe.oracle_gap(untrained, SIDE, isotropic(), pilots, 10, fits=4)
        for pilots in (1, 16)
    ]
    assert 0 < gaps[1] < gaps[0]


def test_responses_may_be_tensors_of_a_graph(untrained):
    """As in training through combiners."""
    size = 5
    y, sigma = keras.Input((2, size, 1, 2)), keras.Input((1, 1, 1, 1))
    a = keras.Input((size, RESPONSES.shape[1]), dtype="complex64")
    rounds = untrained(y, sigma, [a, constant_axis()], training=True)
    assert rounds.shape == (None, untrained.rounds, 2, size, 1, 2)


@pytest.mark.slow
def test_shipped_weights_come_near_to_the_oracle():
    denoiser = load_model(recipe.NAME)
    for snr_db in (0, 10, 20):
        gap = recipe.oracle_gap(denoiser, 16, isotropic(16), 16, snr_db, fits=10)
        assert gap < 0.3
