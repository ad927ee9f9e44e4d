from functools import partial

import keras
import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.unet import UNet
from link_sim.recipes import bit_planes

pytestmark = pytest.mark.usefixtures("eager")


def test_a_network_that_loads_is_left(tmp_path, monkeypatch, untrained):
    digits = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)
    monkeypatch.setattr(bit_planes, "digits", lambda: (digits, None))
    monkeypatch.setattr(bit_planes, "evaluation_digits", lambda: digits[:20])
    monkeypatch.setattr(bit_planes, "BATCH", 4)
    tiny = partial(UNet, widths=(8, 8), depths=(1, 1), dtype="float32")
    monkeypatch.setattr(bit_planes, "UNet", lambda shape, out, *_: tiny(shape, out))
    untrained(bit_planes)
    bit_planes.train_bit_planes(tmp_path, steps=1, refine=1)
    path = str(tmp_path / "bit-planes.npz")
    assert pretrained.read_card(path)["quality"]["digits"] == 20
    assert isinstance(pretrained.load_model(path), keras.layers.Layer)
