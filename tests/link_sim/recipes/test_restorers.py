from functools import partial

import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.unet import UNet
from link_sim.receivers.images.restoration import ConditionalDDPM
from link_sim.recipes import restorers
from link_sim.recipes.bit_noise import soft_bits

pytestmark = pytest.mark.usefixtures("eager")

DIGITS = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)


@pytest.fixture
def few_digits(monkeypatch):
    monkeypatch.setattr(restorers, "digits", lambda: (DIGITS, None))
    monkeypatch.setattr(restorers, "evaluation_digits", lambda: DIGITS[:20])


@pytest.fixture
def small(monkeypatch, untrained):
    untrained(restorers)
    monkeypatch.setattr(restorers, "BATCH", 4)
    tiny = partial(UNet, widths=(8, 8), depths=(1, 1), dtype="float32")
    monkeypatch.setattr(restorers, "UNet", lambda shape, out, *_: tiny(shape, out))


@pytest.mark.slow
def test_networks_and_counts_that_load_are_left(tmp_path, few_digits, small):
    cycles = ((1, 1e-3, soft_bits, 0.6),)
    restorers.train_restorer(tmp_path, "ddpm", soft=True, cycles=cycles)
    restorers.count_levels(tmp_path)
    path = str(tmp_path / "ddpm.npz")
    assert pretrained.read_card(path)["recipe"]["name"] == "ddpm"
    restorer = ConditionalDDPM.from_preset(path)
    assert restorer(DIGITS[:2] / np.float32(255)).shape == (2, 28, 28, 1)
    counts = pretrained.load_arrays(str(tmp_path / "pixel-bayes-mnist.npz"))["counts"]
    assert np.array_equal(counts.sum(axis=-1), np.full((28, 28, 1), 200))
    assert counts[3, 4, 0, DIGITS[0, 3, 4, 0]] >= 1


def test_batch_depends_on_its_number_only(few_digits):
    options = {"received": soft_bits, "last_level": 0.5, "floor": 0.05, "seed": 3}
    one = restorers.restoration_batch(7, **options)
    other = restorers.restoration_batch(7, **options)
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    sigma = one[0][1]
    assert abs(np.mean(sigma >= 1e4) - 0.5) <= 2 / len(sigma)
    assert np.all(one[0][0][np.ravel(sigma >= 1e4)] == 0)
