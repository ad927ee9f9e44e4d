"""Images of any size: photographs that a package carries, or those of a folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile, DataFolder
from link_sim.world.sources import eight_bits


def load_pictures(source: str | DataFolder) -> list[np.ndarray]:
    """Images, uint8 [height, width, 1 or 3], in the order of their names.

    `photos` are those of scikit-learn (CC BY 2.0, danielbuechele and vultilion).
    Raises `ScenarioError` for a file that is no image.
    """
    if isinstance(source, DataFolder):
        files = {Path(source.path) / n: sha for n, sha in source.sha256.items()}
    else:
        from sklearn import datasets

        folder = Path(datasets.__file__).parent / "images"
        files = dict.fromkeys(sorted(folder.glob("*.jpg")))
    return [_picture(path, sha) for path, sha in files.items()]


def _picture(path: Path, sha256: str | None) -> np.ndarray:
    try:
        DataFile(path=str(path), sha256=sha256).checked()
        with Image.open(path) as picture:
            pixels = eight_bits(picture)
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path} is no image to send: {error}") from None
    return pixels if pixels.ndim == 3 else pixels[..., None]
