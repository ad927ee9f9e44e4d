"""The kind `separation`: images of any size by codec, LDPC code and QAM, or network."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.data_files import DataFile, DataFolder, sha256
from link_sim.scenarios.sections import Section
from link_sim.scenarios.semantic import NO_LPIPS

SUFFIXES = ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"


class Pictures(Section):
    """What is sent: `photos`, two of 427 x 640 pixels, or a folder of images."""

    source: Literal["photos"] | DataFolder = "photos"

    @field_validator("source")
    @classmethod
    def know_content(cls, source: Any) -> Any:
        """The folder with the SHA-256 of its images, by their names."""
        if not isinstance(source, DataFolder) or source.sha256:
            return source
        folder = Path(source.path)
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = {p.name: sha256(p) for p in files if p.suffix.lower() in SUFFIXES}
        if not found:
            raise ValueError(
                f"'{folder}' is no folder with images ({', '.join(SUFFIXES)}): name one"
            )
        return DataFolder(path=source.path, sha256=found)


class Fading(Section):
    """What images go through.

    model: `awgn`; `rayleigh`, one coefficient an image; `rayleigh-fast`, one a symbol.
    The receiver knows them, the transmitter their distribution.
    """

    model: Literal["awgn", "rayleigh", "rayleigh-fast"] = "awgn"


class SeparationScenario(Scenario):
    """A comparison of image codecs and networks; a frame is an image.

    lpips: the AlexNet weights of LPIPS 0.1 as an `.npz` (`link-sim lpips convert`);
    without it LPIPS is not measured.
    """

    opens: ClassVar = "link_sim.experiments.separation:SeparationLink"
    levels: ClassVar = (("esno_db",), ("bandwidth_ratio",))
    short_axes: ClassVar = "esno_db", "bandwidth_ratio"
    watched: ClassVar = "psnr"

    kind: Literal["separation"] = "separation"
    payload: Pictures = Pictures()
    channel: Fading = Fading()
    lpips: DataFile | None = None

    def weights_name(self, role: str) -> str:
        return f"semantic-{role}-cifar10"

    @property
    def remark(self) -> str | None:
        files = self.payload.source
        number = len(files.sha256) if isinstance(files, DataFolder) else 2
        remarks, sent = [None if self.lpips else NO_LPIPS], self.stop.max_batches
        if sent and sent * self.batch_size < number:
            remarks.append(
                f"{sent * self.batch_size} of {number} images are sent: set batch_size "
                f"= {number} to send all"
            )
        return "\n".join(filter(None, remarks)) or None
