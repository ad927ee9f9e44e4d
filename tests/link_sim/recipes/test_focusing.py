"""Training of precoders: a few steps of it, and what it learns from."""

import logging
from contextlib import contextmanager

import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.receivers.precoding.calibrated import CalibratedInputZF, CalibratedZF
from link_sim.recipes import focusing
from link_sim.recipes.table import RECIPES

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def small(monkeypatch):
    sizes = {"USERS": 6, "ANTENNAS": 32, "POOL": 32}
    for name, value in sizes.items():
        monkeypatch.setattr(focusing, name, value)
    focusing.gram_pool.cache_clear()
    yield
    focusing.gram_pool.cache_clear()


@contextmanager
def logged_by_tensorflow(caplog):
    """Its logger hands nothing on to others."""
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    "name, precoder", [("nc-zf", CalibratedZF), ("nc-published", CalibratedInputZF)]
)
def test_recipe_leaves_weights_that_load(
    name, precoder, tmp_path, small, monkeypatch, caplog
):
    measured = {"drops": 0}
    monkeypatch.setattr(focusing, "quality", lambda precoder, *sizes, **n: measured)
    with logged_by_tensorflow(caplog):
        RECIPES[name].open()(tmp_path, steps=2, size=4)
    assert not caplog.records  # no line of TensorFlow's between those of progress
    path = str(tmp_path / f"{name}.npz")
    assert pretrained.read_card(path)["recipe"]["name"] == name
    h = focusing.draw_both(np.random.default_rng(0), 2, 32)
    assert precoder.from_preset(path)(h, 0.1).shape == (2, 32, 6)


def test_a_step_has_its_own_data_and_the_same_again(small):
    for batch in (focusing.snr_batch, focusing.channel_batch):
        one, same, other = (batch(step, 1, 4)[0][0] for step in (3, 3, 4))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


def test_nc_zf_learns_from_arrays_of_many_sizes(small, monkeypatch):
    sizes = []

    def draw(rng, size, users, antennas, geometry):
        sizes.append(antennas)
        return np.ones((size, users, antennas), "complex64")

    monkeypatch.setattr(focusing, "POOL", 64)
    monkeypatch.setattr(focusing, "draw_downlink", draw)
    pool = focusing.gram_pool(1)
    assert sizes == [6, 6, 18, 18, 32, 32, 32, 32]  # both geometries of each
    np.testing.assert_allclose(pool, np.ones((64, 6, 6)), rtol=1e-5)


def test_snrs_are_those_of_users_at_equal_power(small):
    (snr,), _, _ = focusing.snr_batch(0, 1, 400)
    decibels = 10 * np.log10(np.real(np.einsum("bkk->bk", snr)))
    uniform = np.ptp(decibels, axis=1) < 0.01
    assert 0.3 < uniform.mean() < 0.7
    found = decibels[uniform, 0]
    assert found.min() >= focusing.LOWEST_DB - 0.01
    assert found.max() <= focusing.HIGHEST_DB + 0.01
    (_, no), _, _ = focusing.channel_batch(0, 1, 8)
    assert np.all(10 * np.log10(32 / 6 / no) >= focusing.LOW_DB - 0.01)
