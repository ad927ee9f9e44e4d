"""Reads blocks from their configurations in a fresh process, and calls them again.

Argument: a folder with `blocks.json` and NAME.npz of weights, inputs and outputs.
Writes `found.json`, {NAME: [largest difference, refusal or None]}. Keras is set to half
and Sionna to double precision; what refuses that is read again without it.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config

import link_sim.receivers as receivers
import link_sim.world.transmitter  # noqa: F401  (registers what blocks refer to)

DOUBLE = {"complex64": "complex128", "float32": "float64"}

for public in receivers.__all__:
    getattr(receivers, public)  # registers the blocks


def take(arrays, kind: str) -> list[np.ndarray]:
    return [arrays[name] for name in sorted(arrays.files) if name.startswith(kind)]


def largest_difference(configuration: dict, arrays) -> float:
    inputs = take(arrays, "input")
    if config.precision == "double":
        inputs = [x.astype(DOUBLE.get(x.dtype.name, x.dtype)) for x in inputs]
    block = keras.saving.deserialize_keras_object(configuration)
    block.set_weights(take(arrays, "weight"))
    outputs = block(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    pairs = zip(outputs, take(arrays, "output"), strict=True)
    return max(float(np.max(np.abs(np.asarray(a) - b))) for a, b in pairs)


tf.config.run_functions_eagerly(True)
folder = Path(sys.argv[1])
found = {}
for name, configuration in json.loads((folder / "blocks.json").read_text()).items():
    with np.load(folder / f"{name}.npz") as arrays:
        keras.config.set_dtype_policy("mixed_float16")
        config.precision, refusal = "double", None
        try:
            difference = largest_difference(configuration, arrays)
        except ValueError as error:
            keras.config.set_dtype_policy("float32")
            config.precision, refusal = "single", str(error)
            difference = largest_difference(configuration, arrays)
    found[name] = difference, refusal
(folder / "found.json").write_text(json.dumps(found))
