"""The restored images that a results folder keeps, so that plots can be drawn again."""

from pathlib import Path

import numpy as np

from link_sim.engine.results import replacing

FILE = "strip.npz"


def keep_pictures(folder: Path, pictures: dict) -> None:
    """Writes what `batches.picture_strip` returns, with 8 bits a value."""
    keys = [key for key in pictures if key != "image"]
    receivers, points = zip(*keys, strict=True)
    with replacing(folder / FILE) as draft, open(draft, "wb") as file:
        np.savez_compressed(
            file,
            receivers=receivers,
            points=points,
            image=_levels(pictures["image"]),
            received=_levels(np.stack([pictures[key] for key in keys])),
        )


def _levels(images: np.ndarray) -> np.ndarray:
    return np.round(255 * images).astype("uint8")


def kept_pictures(folder: Path, receivers: tuple[str, ...]) -> dict | None:
    """The images of these receivers as `keep_pictures` wrote them; None without any."""
    path = folder / FILE
    if not path.is_file():
        return None
    with np.load(path) as file:
        names, points = file["receivers"].tolist(), file["points"].tolist()
        image, received = (
            file[name] / np.float32(255) for name in ("image", "received")
        )
    found = zip(names, points, received, strict=True)
    shown = {(name, point): x for name, point, x in found if name in receivers}
    return {"image": image} | shown if shown else None
