"""Reads what was saved in a folder, in a process that imports `link_sim` and Keras.

Prints the largest difference of outputs: of the link, and of a model around a restorer.
"""

import sys
from pathlib import Path

import link_sim  # noqa: F401  (tells Keras where the classes are)

if "keras" in sys.modules:
    raise SystemExit("link_sim imports Keras")
import keras
import keras_blocks  # noqa: F401  (registers the user's blocks)
import numpy as np
from sionna.phy import config

folder = Path(sys.argv[1])
link = keras.models.load_model(folder / "link.keras")
config.seed = 3
found = link.predict(np.full(4, 5.0), verbose=0)
with np.load(folder / "link.npz") as kept:
    print(max(float(np.abs(found[key] - kept[key]).max()) for key in kept))
restorer = keras.models.load_model(folder / "restorer.keras")
with np.load(folder / "restorer.npz") as kept:
    found = restorer.predict(kept["llr"], verbose=0)
    print(float(np.abs(found - kept["image"]).max()))
link.fit(np.full(4, 5.0), verbose=0)  # as compiled
print(link.target, int(link.optimizer.iterations))
