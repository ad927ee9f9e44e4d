"""The kind of experiment `semantic`: images sent as analog symbols, not as bits."""

import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from link_sim.scenarios.base import Experiment
from link_sim.scenarios.data_files import sha256
from link_sim.scenarios.sections import (
    Antennas,
    Channel,
    Decibels,
    Grid,
    Payload,
    Section,
    Sha256,
)

Ratio = Annotated[float, Field(gt=0, le=1)]


class SemanticSweep(Section):
    """The points to compare at.

    axis: `esno_db` (received energy of one user per antenna and resource element over
    no, in dB: the true SNR of each user) at the fixed `bandwidth_ratio`, or
    `bandwidth_ratio` (channel uses of one image over height * width * channels; pilots
    and guards not counted, as for the digital receivers) at the fixed `esno_db`.
    """

    axis: Literal["esno_db", "bandwidth_ratio"] = "bandwidth_ratio"
    points: tuple[Decibels, ...] = Field(min_length=1)
    esno_db: Decibels | None = None
    bandwidth_ratio: Ratio | None = None

    @model_validator(mode="after")
    def check(self):
        if len(set(self.points)) != len(self.points):
            raise ValueError("points repeat a value: list each once")
        fixed = {"esno_db": self.esno_db, "bandwidth_ratio": self.bandwidth_ratio}
        own = fixed.pop(self.axis)
        other, value = next(iter(fixed.items()))
        if own is not None or value is None:
            raise ValueError(
                f"axis {self.axis} needs a fixed {other}, and no fixed {self.axis}: "
                f"set sweep.{other} alone"
            )
        if self.axis == "bandwidth_ratio" and not all(0 < p <= 1 for p in self.points):
            raise ValueError(
                f"points {list(self.points)} are no bandwidth ratios: use values "
                "above 0 and up to 1"
            )
        return self


class SemanticScenario(Experiment):
    """A comparison of ways to recover images from their symbols.

    users: each sends an image of its own, over the same resource elements and over a
    channel of its own. lpips: path of the AlexNet weights of LPIPS 0.1 as an `.npz`
    (see `metrics.lpips`); without it LPIPS is not measured. lpips_sha256: of that
    file, added when the scenario is read. weights: folder of freshly trained weights to
    take instead of those shipped. weights_sha256: of those that the receivers take from
    it, by name, added when the scenario is read.
    """

    runs_in: ClassVar = "link_sim.experiments.semantic"
    watched: ClassVar = "psnr"

    kind: Literal["semantic"] = "semantic"
    users: Literal[1, 2] = 1
    lpips: str | None = None
    lpips_sha256: Sha256 | None = None
    weights: str | None = None
    weights_sha256: dict[str, Sha256] | None = None
    payload: Payload = Payload()
    grid: Grid = Grid()
    antennas: Antennas = Antennas()
    channel: Channel = Channel()
    sweep: SemanticSweep

    @model_validator(mode="after")
    def check(self):
        if self.payload.source not in ("mnist", "cifar10"):
            raise ValueError(
                f"payload.source = '{self.payload.source}' has no semantic weights: "
                "use mnist or cifar10"
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
        folder, found = Path(self.weights).absolute(), {}
        if not folder.is_dir():
            raise ValueError(
                f"weights = '{self.weights}' is not a folder: name one with trained "
                "weights, or leave weights out"
            )
        for receiver in self.receivers:
            kind = receiver.partition("+")[2].partition("-")[0]
            decoder = folder / f"{self.system(kind)}.npz"
            for file in (decoder, folder / f"{_encoder_of(decoder)}.npz"):
                if file.is_file():
                    found[file.stem] = sha256(file)
        return self.model_copy(update={"weights": str(folder), "weights_sha256": found})

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
