"""Training data of the detector `unrolled`, and a training of two steps."""

import numpy as np
import pytest

from link_sim.experiments.link import Link
from link_sim.models.pretrained import read_card
from link_sim.recipes import hardware
from link_sim.recipes.table import RECIPES
from link_sim.scenarios.loading import load_scenario

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.slow]


@pytest.fixture(scope="module")
def drives():
    return hardware.every_drive()


def test_distortion_is_that_of_the_link(drives):
    """Linear parts are measured on 512 and on more OFDM symbols: 1 in 100 apart."""
    own = load_scenario(
        "image-awgn",
        ["payload.source=random", "grid.fft_size=256",
         "hardware={amplifier='3gpp-polynomial', back_off_db=2}"],
    )  # fmt: skip
    link = Link(own, ["perfect-csi"])
    x_rg = link.draw(own.at(10), 0).x_rg[:2]
    found = drives.at(np.int32([4, 4])).distortion_of(x_rg)
    expected = np.asarray(link.transmitter.hardware.distortion_of(x_rg))
    error = np.mean(np.abs(found - expected) ** 2) / np.mean(np.abs(expected) ** 2)
    assert error < 0.02
    mean = np.mean(drives.share[4])
    known = np.mean(link.transmitter.hardware.amplified_share)
    assert mean == pytest.approx(known, rel=0.05)


def test_data_of_a_step_depend_on_its_number_alone(drives):
    first, again, other = (
        hardware.batch(step, seed=1, size=2, drives=drives) for step in (3, 3, 4)
    )
    for a, b in zip(first[0], again[0], strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first[0][0], other[0][0])


def test_the_recipe_writes_weights_and_their_quality(tmp_path):
    RECIPES["hardware-unrolled"].open()(tmp_path, steps=2, size=2, networks=1)
    card = read_card(str(tmp_path / "hardware-unrolled.npz"))
    assert card["quality"]["grids"] == 8 and card["recipe"]["steps"] == 2
