import numpy as np
import pytest

from link_sim.metrics.lpips import LPIPS
from link_sim.metrics.lpips_weights import SHAPES
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile

RNG = np.random.default_rng(0)


@pytest.fixture
def weights(tmp_path):
    arrays = {}
    for i, shape in enumerate(SHAPES, 1):
        scale = 1 / np.sqrt(np.prod(shape[:3]))
        arrays[f"conv{i}_kernel"] = RNG.standard_normal(shape) * scale
        arrays[f"conv{i}_bias"] = 0.1 * RNG.standard_normal(shape[3])
        arrays[f"lin{i}"] = RNG.random(shape[3])
    np.savez(tmp_path / "alex.npz", **arrays)
    return tmp_path / "alex.npz", arrays


def convolution(x, kernel, bias, stride, pad):
    """By its definition: a sum over each window."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    size = kernel.shape[0]
    rows = range(0, x.shape[0] - size + 1, stride)
    windows = [[x[i : i + size, j : j + size] for j in rows] for i in rows]
    return np.maximum(np.tensordot(windows, kernel, 3) + bias, 0)


def pooled(x):
    rows = range(0, x.shape[0] - 2, 2)
    return np.array([[x[i : i + 3, j : j + 3].max((0, 1)) for j in rows] for i in rows])


def slow_features(image, w):
    x = (2 * image - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    for i, stride, pad in zip(
        range(1, 6), (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), strict=True
    ):
        x = pooled(x) if i in (2, 3) else x
        x = convolution(x, w[f"conv{i}_kernel"], w[f"conv{i}_bias"], stride, pad)
        yield x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10)


def test_equals_its_definition(weights):
    path, arrays = weights
    images = RNG.random((2, 1, 35, 35, 3)).astype("float32")
    pairs = zip(*(slow_features(x[0], arrays) for x in images), strict=True)
    slow = sum(
        ((a - b) ** 2 @ arrays[f"lin{i}"]).mean() for i, (a, b) in enumerate(pairs, 1)
    )
    measure = LPIPS(DataFile(path=str(path)))
    np.testing.assert_allclose(measure(*images)[0], slow, rtol=1e-4)
    np.testing.assert_array_equal(measure(images[0], images[0]), 0)
    grey = images[..., :1]
    rgb = np.repeat(grey, 3, axis=-1)
    np.testing.assert_allclose(measure(*grey), measure(*rgb), rtol=1e-6)


def test_wrong_weights_are_answered_in_one_sentence(tmp_path, weights):
    with pytest.raises(ScenarioError, match="make it with link-sim lpips convert"):
        LPIPS(DataFile(path=str(tmp_path / "absent.npz")))
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ScenarioError, match="is not an .npz with conv1_kernel"):
        LPIPS(DataFile(path=str(tmp_path / "other.npz")))


@pytest.mark.parametrize(
    "name, array, said",
    [
        ("conv1_kernel", np.zeros((3, 3, 3, 64)), "is not AlexNet"),
        ("conv2_bias", np.zeros(1), "is not AlexNet"),
        ("lin3", np.full(384, np.nan), "not finite"),
        ("lin3", np.zeros(384, complex), "Cannot cast"),
        ("lin3", np.full(384, "1"), "Cannot cast"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(weights, name, array, said):
    path, arrays = weights
    np.savez(path, **arrays | {name: array})
    with pytest.raises(ScenarioError, match=said):
        LPIPS(DataFile(path=str(path)))


def test_digits_are_too_small(weights):
    image = np.zeros((1, 28, 28, 1), "float32")
    with pytest.raises(ValueError, match="at least 31 pixels"):
        LPIPS(DataFile(path=str(weights[0])))(image, image)
