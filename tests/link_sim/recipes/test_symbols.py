"""What the denoiser of learned symbols is trained on."""

import numpy as np
import pytest

from link_sim.receivers.scalable import ScalableSymbolEncoder
from link_sim.recipes import symbols

pytestmark = pytest.mark.usefixtures("eager")


@pytest.mark.parametrize("number", [1, 5])
def test_any_number_of_images_is_encoded(number, monkeypatch):
    monkeypatch.setattr(symbols, "PART", 2)
    encoder = ScalableSymbolEncoder.from_preset(symbols.ENCODER)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    clean, mask = symbols.encoded(encoder, images, number, 1)
    assert len(clean) == len(mask) == number
    used = np.concatenate([mask, mask], axis=-1) > 0
    assert np.all(clean[~used] == 0) and np.any(clean[used] != 0)
