"""The kind `semantic`: images sent as analog symbols, not as bits."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.ofdm import OfdmScenario

CLASSIFIERS = {"mnist": "digit-classifier", "cifar10": "cifar10-classifier"}
"""By payload; other payloads have no semantic weights."""
NO_LPIPS = (
    "LPIPS is not measured: it needs the published AlexNet weights, which link-sim "
    "lpips convert makes a file of: --set lpips=PATH"
)


class SemanticScenario(OfdmScenario):
    """A comparison of ways to recover images from their symbols.

    users: each sends an image of its own, over the same resource elements and over a
    channel of its own. realism: how far decoders of several steps go from the least
    error (0) to images like real ones (1). lpips: the AlexNet weights of LPIPS 0.1 as
    an `.npz` (see `metrics.lpips`); without it LPIPS is not measured.
    """

    opens: ClassVar = "link_sim.experiments.semantic:SemanticLink"
    levels: ClassVar = (("esno_db",), ("bandwidth_ratio",))
    short_axes: ClassVar = "esno_db", "bandwidth_ratio"
    watched: ClassVar = "psnr"

    kind: Literal["semantic"] = "semantic"
    users: Literal[1, 2] = 1
    realism: float = Field(1.0, ge=0, le=1)
    lpips: DataFile | None = None

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.channel.domain == "time":
            raise ValueError(
                "channel.domain = 'time' is for links of bits: use frequency here"
            )
        if self.payload.source not in CLASSIFIERS:
            raise ValueError(
                "payload.source has no semantic weights: use mnist or cifar10"
            )
        codecs = "jpeg", "webp", "bpg"
        if not any(codec in name for codec in codecs for name in self.receivers):
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

    @property
    def networks(self) -> tuple[str, ...]:
        return (CLASSIFIERS[str(self.payload.source)],)

    def weights_name(self, role: str) -> str:
        users = f"-{self.users}users" if self.users > 1 else ""
        return f"semantic-{role}-{self.payload.source}{users}"

    @property
    def remark(self) -> str | None:
        remarks = [super().remark]
        if not self.lpips and self.payload.source != "mnist":
            remarks.append(NO_LPIPS)
        return "\n".join(filter(None, remarks)) or None
