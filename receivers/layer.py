"""What all receiver blocks are: Keras layers that Sionna's chains can call."""

import re

import keras
import numpy as np
from keras import ops

from link_sim.receivers.backends import check_device, check_tensor

SINGLE = {
    "float16": "float32",
    "bfloat16": "float32",
    "float64": "float32",
    "complex128": "complex64",
}
"""The types in which blocks compute, of the others that tensors may have."""
DOUBLE = {"float32": "float64", "complex64": "complex128"}
"""The types of results where what was given has double precision."""


class ReceiverLayer(keras.layers.Layer):
    """A layer that takes what Sionna's blocks take, and computes in single precision.

    Numbers, such as `no`, may stand among the tensors. Tensors of half precision, as a
    mixed policy of Keras has them, and of double precision, as `sionna.phy` may be set
    to, are cast: half is too coarse for the noise of a good channel. Results are double
    where the first argument is.

    Raises `ValueError` for another `dtype` than float32, and for a device of PyTorch
    that is not there.
    """

    def __init__(self, dtype="float32", **kwargs):
        check_device(type(self).__name__)
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        if self.compute_dtype != "float32":
            raise ValueError(
                f"{type(self).__name__} computes in float32, not {self.compute_dtype}: "
                "leave dtype out"
            )
        # Keras refuses numbers among positional arguments, but for this flag of its
        # own: blocks of Sionna take `no` as a number, and are called by position
        self._allow_non_tensor_positional_args = True

    @classmethod
    def from_config(cls, config):
        """The block of a configuration, around the objects of Keras that it tells."""
        read = keras.saving.deserialize_keras_object
        nested = {k: read(v) for k, v in config.items() if _is_object(v)}
        return cls(**config | nested)

    def build(self, *shapes):
        """Does nothing: the blocks inside build themselves when first called."""

    def _open_name_scope(self):
        # names such as ls+pixel-bayes: TensorFlow refuses the + in those of scopes
        super()._open_name_scope()
        return keras.name_scope(re.sub(r"[^A-Za-z0-9.-]", "-", self.name), caller=self)

    def __call__(self, *args, **kwargs):
        for x in (*args, *kwargs.values()):
            check_tensor(x, type(self).__name__, keras.config.backend())
        first = args[0] if args else next(iter(kwargs.values()), None)
        double = _dtype(first) in DOUBLE.values()
        args = [_cast(x, SINGLE) for x in args]
        kwargs = {key: _cast(x, SINGLE) for key, x in kwargs.items()}
        found = super().__call__(*args, **kwargs)
        if not double:
            return found
        return keras.tree.map_structure(lambda x: _cast(x, DOUBLE), found)


def values_of(x) -> np.ndarray | None:
    """The values of a tensor; None for a symbol of Keras and inside graphs."""
    if isinstance(x, keras.KerasTensor):
        return None
    try:
        return ops.convert_to_numpy(x)
    except (NotImplementedError, TypeError):  # of TensorFlow and PyTorch; of JAX
        return None


def _is_object(value) -> bool:
    return isinstance(value, dict) and "class_name" in value


def _cast(x, types: dict[str, str]):
    wanted = types.get(_dtype(x))
    return x if wanted is None else ops.cast(x, wanted)


def _dtype(x) -> str | None:
    dtype = getattr(x, "dtype", None)
    return getattr(dtype, "name", dtype)
