import os

import numpy as np
import pytest
from PIL import Image

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.radio import Payload
from link_sim.world.sources import evaluation_digits, load_images, training_digits


def test_the_embedded_digits_are_there_and_mixed():
    images = load_images(Payload())
    assert images.shape == (5000, 28, 28, 1) and images.dtype == np.uint8
    assert images.max() == 255


@pytest.mark.skipif("LINK_SIM_DATA" not in os.environ, reason="needs LINK_SIM_DATA")
def test_no_evaluation_digit_is_trained_on():
    train, labels = training_digits()
    held_out = {image.tobytes() for image in evaluation_digits()}
    assert len(train) == len(labels) > 50_000
    assert not any(image.tobytes() in held_out for image in train)


def test_pictures_and_arrays_of_the_user_are_read(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.savez(tmp_path / "a.npz", images=np.stack([pixels] * 2))
    picture = load_images(Payload(source=str(tmp_path / "a.png"), num_images=1))
    arrays = load_images(Payload(source=str(tmp_path / "a.npz"), num_images=2))
    assert np.array_equal(picture[0, ..., 0], pixels)
    assert np.array_equal(arrays[1, ..., 0], pixels)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    np.savez(tmp_path / "float.npz", images=np.zeros((1, 4, 4)))
    np.savez(tmp_path / "other.npz", pictures=np.zeros((1, 4, 4), np.uint8))
    for name in ("text.png", "float.npz", "other.npz", "missing.png"):
        with pytest.raises(ScenarioError, match=name):
            load_images(Payload(source=str(tmp_path / name), num_images=1))
    with pytest.raises(ScenarioError, match="holds 5000 images"):
        load_images(Payload(num_images=5001))


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "RGB", "RGBA", "P"])
def test_pictures_of_every_depth_are_read_right(tmp_path, mode):
    """A ramp from black to white, whatever the file holds it as."""
    ramp = np.tile(np.arange(256), (4, 1))
    if mode == "I;16":
        picture = Image.fromarray((ramp * 257).astype(np.uint16))
    else:
        picture = Image.fromarray(ramp.astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "ramp.png")
    source = DataFile(path=str(tmp_path / "ramp.png"))
    images = load_images(Payload(source=source, num_images=1))
    assert images.shape[-1] == (1 if mode in ("L", "LA", "I;16") else 3)
    np.testing.assert_array_equal(images[0, ..., 0], ramp)


def test_pictures_of_real_numbers_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), "float32")).save(tmp_path / "real.tiff")
    source = DataFile(path=str(tmp_path / "real.tiff"))
    with pytest.raises(ScenarioError, match="real numbers: save it with 8 bits"):
        load_images(Payload(source=source, num_images=1))
