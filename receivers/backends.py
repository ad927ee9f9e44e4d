"""Which blocks compute under any backend of Keras, and what is said of the others."""

import importlib
import os

WITHOUT_KERAS = frozenset(("context", "entries", "names"))
ANY_BACKEND = frozenset(
    (
        "detection.amp", "detection.amp_gnn", "detection.expectation_propagation",
        "detection.mimo", "detection.verification", "estimation.ofdm", "images.bits",
        "images.pixel_bayes", "images.restoration", "layer", "precoding.calibrated",
        "precoding.linear", "precoding.wmmse", "scalable", "semantic",
    )
)  # fmt: skip
"""Modules of public names that compute in `keras.ops` and NumPy; the others are built
on TensorFlow and Sionna 1."""
LIBRARIES = {
    "tensorflow": "tensorflow",
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
}
"""Of packages whose tensors are told apart, the backend that computes with them."""


def leave_out_onednn() -> None:
    """Keeps TensorFlow, if it has not been imported yet, from the kernels of oneDNN.

    It calls them on processors with AVX-512 VNNI. In TensorFlow 2.21 products of
    float32 [batch, 1, m, k] with [k, n] are wrong there, and graphs with a network in a
    loop in a loop are refused as if their convolutions did not fit.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def check_backend(name: str, module: str) -> None:
    """Raises `ImportError` where Keras cannot be had, or runs on what `name` does not.

    module : where `name` lives; of blocks, within `receivers`
    """
    if module in WITHOUT_KERAS:
        return
    try:
        keras = importlib.import_module("keras")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"Keras is set to run on {error.name}, which is not installed: set the "
            "environment variable KERAS_BACKEND, such as to torch, before Python starts"
        ) from None
    backend = keras.config.backend()
    if backend != "tensorflow" and module not in ANY_BACKEND:
        raise ImportError(
            f"{name} is built on TensorFlow, and Keras runs on {backend}: set "
            "KERAS_BACKEND=tensorflow, or use the blocks of Sionna around ours"
        )


def check_device(block: str) -> None:
    """Raises `ValueError` where PyTorch lacks the device that Keras is set to."""
    keras = importlib.import_module("keras")
    if keras.config.backend() != "torch":
        return
    try:
        keras.ops.zeros(())
    except (AssertionError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{block} cannot be built on the device that Keras is set to ({reason}): "
            'use another, such as by keras.device("cpu")'
        ) from None


def check_tensor(x, block: str, backend: str) -> None:
    """Raises `ValueError` for a tensor of another library than Keras runs on."""
    library = LIBRARIES.get(type(x).__module__.partition(".")[0])
    if library not in (None, backend):
        raise ValueError(
            f"{block} was given a tensor of {library}, and Keras runs on {backend}: "
            f"set KERAS_BACKEND={library} before Python starts"
        )
