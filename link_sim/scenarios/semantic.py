"""The kind `semantic`: images sent as analog symbols, not as bits."""

import json
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.data_files import DataFile, DataFolder, sha256
from link_sim.scenarios.radio import Channel, Payload
from link_sim.scenarios.sections import Antennas, Grid

SOURCES = "mnist", "cifar10"


class SemanticScenario(Scenario):
    """A comparison of ways to recover images from their symbols.

    users: each sends an image of its own, over the same resource elements and over a
    channel of its own. lpips: the AlexNet weights of LPIPS 0.1 as an `.npz` (see
    `metrics.lpips`); without it LPIPS is not measured.
    """

    opens: ClassVar = "link_sim.experiments.semantic:SemanticLink"
    levels: ClassVar = (("esno_db",), ("bandwidth_ratio",))
    short_axes: ClassVar = "esno_db", "bandwidth_ratio"
    watched: ClassVar = "psnr"
    pictures: ClassVar = True

    kind: Literal["semantic"] = "semantic"
    users: Literal[1, 2] = 1
    lpips: DataFile | None = None
    payload: Payload = Payload()
    grid: Grid = Grid()
    antennas: Antennas = Antennas()
    channel: Channel = Channel()

    @model_validator(mode="after")
    def check(self):
        if self.payload.source not in SOURCES:
            raise ValueError(
                "payload.source has no semantic weights: use mnist or cifar10"
            )
        if not any("jpeg" in r or "webp" in r for r in self.receivers):
            self.stop.refuse_blocks()
        if self.lpips and self.payload.source == "mnist":
            raise ValueError(
                "lpips needs images of at least 31 pixels, those of payload.source = "
                "'mnist' have 28: leave lpips out, or use cifar10"
            )
        streams = self.users * self.antennas.streams
        if self.grid.effective_subcarriers % streams:
            raise ValueError(
                f"the {streams} streams of all users must divide the "
                f"{self.grid.effective_subcarriers} usable subcarriers: change "
                "grid.guard_carriers"
            )
        return self

    def system(self, kind: str) -> str:
        """Name of the weights of a kind of decoder: `ae`, `vae` or `cdiff`."""
        users = f"-{self.users}users" if self.users > 1 else ""
        return f"semantic-{kind}-{self.payload.source}{users}"

    def pinned(self) -> "SemanticScenario":
        if not self.weights:
            return self
        folder, found = Path(self.weights.path).absolute(), {}
        if not folder.is_dir():
            raise ValueError(
                f"weights = '{folder}' is not a folder: name one with trained weights, "
                "or leave weights out"
            )
        for receiver in self.receivers:
            kind = receiver.partition("+")[2].partition("-")[0]
            decoder = folder / f"{self.system(kind)}.npz"
            for file in (decoder, folder / f"{_encoder_of(decoder)}.npz"):
                if file.is_file():
                    found[file.stem] = sha256(file)
        weights = DataFolder(path=str(folder), sha256=found)
        return self.model_copy(update={"weights": weights})

    @property
    def remark(self) -> str | None:
        if self.lpips or self.payload.source == "mnist":
            return None
        return (
            "LPIPS is not measured: it needs the published AlexNet weights, "
            "--set lpips=PATH"
        )


def _encoder_of(decoder: Path) -> str | None:
    """Name of the encoder that the card beside a decoder's weights gives, if any."""
    try:
        return json.loads(decoder.with_suffix(".json").read_text())["encoder"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None  # the link says what is wrong with the weights
