"""Images of a results folder: written once, drawn again for any receivers."""

import numpy as np

from link_sim.engine.pictures import FILE, keep_pictures, kept_pictures

IMAGE = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 1)) / np.float32(255)
PICTURES = {"image": IMAGE, ("ls", -1.5): IMAGE / 2, ("lmmse+x", 3.0): 1 - IMAGE}


def test_images_come_back_within_half_a_level(tmp_path):
    keep_pictures(tmp_path, PICTURES)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    found = kept_pictures(tmp_path, ("ls", "lmmse+x"))
    assert found.keys() == PICTURES.keys()
    for key, image in PICTURES.items():
        assert np.max(np.abs(found[key] - image)) <= 0.5001 / 255


def test_those_of_other_receivers_are_left_out(tmp_path):
    assert kept_pictures(tmp_path, ("ls",)) is None
    keep_pictures(tmp_path, PICTURES)
    assert kept_pictures(tmp_path, ("ls",)).keys() == {"image", ("ls", -1.5)}
    assert kept_pictures(tmp_path, ("ep",)) is None
