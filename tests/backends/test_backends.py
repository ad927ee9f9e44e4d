"""The same blocks and weights under TensorFlow and under other backends of Keras.

`LINK_SIM_TORCH` names a Python that has PyTorch, Sionna 2 and this package (`make
test-torch` makes one), and `LINK_SIM_JAX` one that has JAX and Sionna of either line;
else each backend is tried that is installed here.
"""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = Path(__file__).parent
TOLERANCE = 1e-4
"""Relative, of the outputs of networks in single precision."""
COARSE = {"csi-scm 1": 0.02, "ep 0": 0.02}
"""Error variances measured along random signs, which each backend draws by itself: 2048
of them a channel leave a standard deviation below 1 %. Precisions of cavities, which
are differences of large numbers: rounding in the last bits moves `ep` by up to 0.5 %.
"""

pytestmark = pytest.mark.slow


@functools.cache
def python(backend: str) -> str:
    """The Python that has a backend of Keras."""
    variable = f"LINK_SIM_{backend.upper()}"
    if variable in os.environ:
        return os.environ[variable]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, nor named by {variable}")
    return sys.executable


def run(backend: str, *arguments: str) -> subprocess.CompletedProcess:
    settings = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    return subprocess.run(
        [python(backend), *arguments],
        env=os.environ | settings | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )


@functools.cache
def outputs(backend: str, program: str = "blocks.py") -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs.npz"
        ended = run(backend, str(PROGRAMS / program), str(file))
        assert ended.returncode == 0, ended.stderr
        with np.load(file) as arrays:
            return dict(arrays)


def last_line(backend: str, program: str) -> str:
    ended = run(backend, "-c", program)
    return (ended.stdout + ended.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_blocks_answer_as_under_tensorflow(backend):
    found, expected = outputs(backend), outputs("tensorflow")
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        error = np.linalg.norm(found[name] - wanted)
        tolerance = COARSE.get(name, TOLERANCE)
        assert error < tolerance * np.linalg.norm(wanted), name


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_decisions_are_equal(backend):
    """Of restored images, whose 8-bit levels rounding moves where it lies between two,
    and of detected bits."""
    found, expected = outputs(backend), outputs("tensorflow")
    assert np.array_equal(found["amp-gnn 0"] > 0, expected["amp-gnn 0"] > 0)
    levels = (np.round(255 * z["ddpm 0"]) for z in (found, expected))
    assert np.mean(np.not_equal(*levels)) < 255 * TOLERANCE


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_million_bits_are_decided_alike(backend):
    """But for those that lie on the edge within the rounding of single precision."""
    found, expected = (outputs(z, "decisions.py") for z in (backend, "tensorflow"))
    for name, wanted in expected.items():
        assert wanted.size >= 10**6
        edge = TOLERANCE * np.sqrt(np.mean(wanted**2))
        differ = (found[name] > 0) != (wanted > 0)
        assert np.all(np.abs(wanted[differ]) < edge), name
        assert differ.sum() < 5, name


def test_blocks_of_tensorflow_are_refused_in_one_sentence():
    for name in "receivers import JointDecoder", "receivers import LDPCDecoder":
        said = last_line("torch", f"from link_sim.{name}")
        block = name.rpartition(" ")[2]
        assert said.startswith(f"ImportError: {block} is built on TensorFlow")
    said = last_line("torch", "from link_sim import Link")
    assert said.startswith("ImportError: Link is built on TensorFlow")


@pytest.mark.parametrize("made_by", ["tensorflow.python", "jaxlib._jax"])
def test_a_mixture_of_tensors_is_refused_in_one_sentence(made_by):
    """One of the arguments is of another library, as if channel and symbols were."""
    program = (
        "import keras, numpy as np\n"
        "from link_sim.receivers import AMPDetector\n"
        "class Tensor(np.ndarray): ...\n"
        f"Tensor.__module__ = '{made_by}'\n"
        "y, h, s = (np.ones(z, 'complex64') for z in ([1, 2], [1, 2, 2], [1, 2, 2]))\n"
        "AMPDetector(2)(keras.ops.convert_to_tensor(y), h.view(Tensor), s)\n"
    )
    library = "jax" if "jax" in made_by else "tensorflow"
    said = last_line("torch", program)
    assert said.startswith("ValueError: AMPDetector was given a tensor of " + library)
    assert f"set KERAS_BACKEND={library} before Python starts" in said


def test_tensors_of_another_library_are_refused_in_one_sentence():
    program = (
        "import numpy as np\n"
        "from link_sim.receivers import MRT\n"
        "class Tensor(np.ndarray): ...\n"
        "Tensor.__module__ = 'tensorflow.python'\n"
        "MRT()(np.ones([1, 2, 4], 'complex64').view(Tensor), 0.1)\n"
    )
    assert "was given a tensor of tensorflow" in last_line("torch", program)


def test_a_device_that_is_not_there_is_refused_in_one_sentence():
    program = (
        "import keras\n"
        "from link_sim.receivers import MRT\n"
        "with keras.device('cuda:63'): MRT()"
    )
    said = last_line("torch", program)
    assert said.startswith("ValueError: MRT cannot be built on the device that Keras")


def test_jax_without_double_precision_is_refused_in_one_sentence():
    program = (
        "import os; os.environ['JAX_ENABLE_X64'] = '0'\n"
        "from link_sim.models import kronecker\n"
        "kronecker.double(1.0)"
    )
    assert "set the environment variable JAX_ENABLE_X64=1" in last_line("jax", program)


def test_the_estimator_serves_the_pusch_receiver_of_sionna_2():
    ended = run("torch", str(PROGRAMS / "pusch.py"))
    if "Sionna 1" in ended.stdout:
        pytest.skip("PyTorch is installed beside Sionna 1")
    assert ended.returncode == 0, ended.stderr
