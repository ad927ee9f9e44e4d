import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from link_sim.metrics import lpips_weights, torch_files
from link_sim.metrics.lpips_weights import CONVOLUTIONS, SHAPES, convert
from link_sim.metrics.torch_files import read_tensors
from link_sim.scenarios.data_files import DataFile

RNG = np.random.default_rng(0)


class Named:
    """Stands for a name of PyTorch in a pickle."""

    def __init__(self, name):
        self.name = name


class Tensor:
    """An array as `torch.save` writes it: a view of a storage."""

    def __init__(self, key, array, offset=0):
        self.key, self.array, self.offset = key, array, offset


class Writer(pickle._Pickler):
    """Writes what PyTorch writes, without it."""

    def save(self, obj, *more):
        if isinstance(obj, Named):
            module, _, name = obj.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(Named("torch._utils._rebuild_tensor_v2"))
            kind = {"float32": "Float", "float64": "Double"}[str(obj.array.dtype)]
            storage = "storage", Named(f"torch.{kind}Storage"), obj.key, "cpu", 0
            strides = tuple(s // obj.array.itemsize for s in obj.array.strides)
            self.write(pickle.MARK)
            self.save(storage)
            self.write(pickle.BINPERSID)
            for part in (obj.offset, obj.array.shape, strides, False, OrderedDict()):
                self.save(part)
            self.write(pickle.TUPLE + pickle.REDUCE)
        else:
            super().save(obj, *more)


def pickled(obj):
    stream = io.BytesIO()
    Writer(stream, 2).dump(obj)
    return stream.getvalue()


def archive(tensors):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        views = OrderedDict((n, Tensor(str(i), a)) for i, (n, a) in numbered(tensors))
        file.writestr("alex/data.pkl", pickled(views))
        for i, (_, array) in numbered(tensors):
            file.writestr(f"alex/data/{i}", array.tobytes("A"))
    return stream.getvalue()


def before_archives(tensors):
    views = OrderedDict((n, Tensor(str(i), a)) for i, (n, a) in numbered(tensors))
    heads = [torch_files.MAGIC, 1001, {"little_endian": True}]
    content = b"".join(map(pickled, heads)) + pickled(views)
    content += pickled([str(i) for i, _ in numbered(tensors)])
    for _, array in tensors.items():
        content += array.size.to_bytes(8, "little") + array.tobytes("A")
    return content


def numbered(tensors):
    return list(enumerate(tensors.items()))


def published():
    """Files of random weights as the packages have them."""
    lin, features = {}, {"classifier.1.weight": np.zeros((2, 3), "float32")}
    for layer, (shape, place) in enumerate(zip(SHAPES, CONVOLUTIONS, strict=True)):
        height, width, into, out = shape
        kernel = RNG.random((out, into, height, width), "float32")
        features[f"features.{place}.weight"] = kernel
        features[f"features.{place}.bias"] = RNG.random(out, "float32")
        lin[f"lin{layer}.model.1.weight"] = RNG.random((1, out, 1, 1), "float32")
    return lin, features


@pytest.mark.parametrize("write", [archive, before_archives])
def test_tensors_are_read(write):
    arrays = {
        "whole": RNG.random((3, 4), "float32"),
        "turned": RNG.random((5, 2)).T,  # strides that are not those of C
    }
    read = read_tensors(write(arrays))
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    assert "torch._utils _rebuild_tensor_v2" in {
        arg for _, arg, _ in pickletools.genops(pickled(Tensor("0", arrays["whole"])))
    }


class Attack:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no dictionary"),
        (b"PK\x03\x04", "no dictionary"),
        (pickle.dumps(1) * 5, "no dictionary"),
        (pickle.dumps(Attack()), "it holds builtins.print"),
        (pickle.dumps(np.zeros(3)), "it holds numpy"),
    ],
)
def test_other_files_are_refused_and_run_nothing(content, said, capsys):
    with pytest.raises(ValueError, match=said):
        read_tensors(content)
    assert capsys.readouterr().out == ""


def test_a_tensor_outside_its_storage_is_refused():
    short = np.zeros(3, "float32")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a/data.pkl", pickled({"x": Tensor("0", short, offset=1)}))
        file.writestr("a/data/0", short.tobytes())
    with pytest.raises(ValueError, match="not inside its storage"):
        read_tensors(stream.getvalue())


@pytest.mark.parametrize("package", ["alex.pth", "lpips.whl"])
def test_the_file_of_ours_has_the_published_weights(tmp_path, package):
    lin, features = published()
    path, alexnet = tmp_path / package, tmp_path / "alexnet.pth"
    alexnet.write_bytes(archive(features))
    path.write_bytes(before_archives(lin))
    if package.endswith(".whl"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(lpips_weights.IN_PACKAGE, before_archives(lin))
    convert(path, alexnet, tmp_path / "ours.npz")
    layers = lpips_weights.read(DataFile(path=str(tmp_path / "ours.npz")))
    for layer, (kernel, bias, weight) in enumerate(layers):
        name = f"features.{CONVOLUTIONS[layer]}"
        np.testing.assert_array_equal(
            kernel.transpose(3, 2, 0, 1), features[f"{name}.weight"]
        )
        np.testing.assert_array_equal(bias, features[f"{name}.bias"])
        np.testing.assert_array_equal(weight, lin[f"lin{layer}.model.1.weight"].ravel())
    with pytest.raises(ValueError, match=r"has no features.0.weight of shape \[64, 3"):
        convert(path, path, tmp_path / "no.npz")
    with pytest.raises(ValueError, match="is not a file of weights"):
        convert(tmp_path / "none.pth", alexnet, tmp_path / "no.npz")
