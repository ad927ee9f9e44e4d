import io

import numpy as np
import pytest
from PIL import Image

from link_sim.world.picture_codec import compress, decompress

RNG = np.random.default_rng(0)
WAVES = np.sin(np.arange(32) / RNG.uniform(2, 6, (3, 1)))
PICTURE = (127 + 60 * (WAVES.T[:, None] + WAVES.T[None])).clip(0, 255).astype(np.uint8)
GREY = PICTURE[:28, :28, :1]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
@pytest.mark.parametrize("image", [PICTURE, GREY], ids=["rgb", "grey"])
def test_a_file_is_restored_from_what_is_sent_of_it(codec, image):
    qualities = {}
    for quality in range(1, 96):
        stream = io.BytesIO()
        pixels = image[..., 0] if image.shape[-1] == 1 else image
        Image.fromarray(pixels).save(stream, codec, quality=quality)
        mode = "L" if image.shape[-1] == 1 else "RGB"
        shown = np.asarray(Image.open(stream).convert(mode)).reshape(image.shape)
        qualities[shown.tobytes()] = len(stream.getvalue())
    for budget in (150, 250, 400):
        data = compress(codec, image, budget)
        assert len(data) == budget and data[0]
        restored = decompress(codec, data, image.shape)
        # exactly what the whole file of some quality shows, which is longer
        assert qualities.get(restored.tobytes(), 0) > len(data.rstrip(b"\0")) or (
            codec == "webp"
        )
        assert np.mean((restored - 1.0 * image) ** 2) < image.var()


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_more_bytes_give_a_better_image(codec):
    def error(budget):
        restored = decompress(codec, compress(codec, PICTURE, budget), PICTURE.shape)
        return np.mean((restored - 1.0 * PICTURE) ** 2)

    errors = [error(budget) for budget in (100, 200, 400, 800)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_what_does_not_fit_becomes_its_mean_colour(codec):
    data = compress(codec, PICTURE, 8)
    assert data[0] == 0 and len(data) == 8
    restored = decompress(codec, data, PICTURE.shape)
    mean = PICTURE.mean(axis=(0, 1))
    np.testing.assert_allclose(restored[3, 4], mean, atol=0.5)
    assert np.ptp(restored, axis=(0, 1)).max() == 0
    assert compress(codec, PICTURE, 3) is None
    assert compress(codec, GREY, 2) is not None


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_bytes_that_are_no_image_give_none(codec):
    found = [
        decompress(codec, bytes([40, *RNG.integers(0, 256, 80)]), (32, 32, 3))
        for _ in range(50)
    ]
    assert any(image is None for image in found)
