"""The kind `semantic`: images sent as analog symbols, not as bits."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.ofdm import OfdmScenario
from link_sim.scenarios.users import Offset, check_offsets, energies

CLASSIFIERS = {"mnist": "digit-classifier", "cifar10": "cifar10-classifier"}
"""By payload; other payloads have no semantic weights."""
CODECS = "jpeg", "webp", "bpg"
MOST_USERS = 4
NO_LPIPS = (
    "LPIPS is not measured: it needs the published AlexNet weights, which link-sim "
    "lpips convert makes a file of: --set lpips=PATH"
)


class SemanticScenario(OfdmScenario):
    """A comparison of ways to recover images from their symbols.

    users: each sends an image of its own, over the same resource elements and over a
    channel of its own; over AWGN, and where their streams outnumber the antennas of the
    receiver, spread by codes. power_offsets: of each user's energy [dB]; none for all
    0. realism: how far decoders of several steps go from the least error (0) to images
    like real ones (1). hardware: of one user's transmitter and of the receiver, without
    what is random; symbols that images leave free carry others. lpips: the AlexNet
    weights of LPIPS 0.1 as an `.npz` (see `metrics.lpips`); without it LPIPS is not
    measured.
    """

    opens: ClassVar = "link_sim.experiments.semantic:SemanticLink"
    levels: ClassVar = (("esno_db",), ("bandwidth_ratio",))
    short_axes: ClassVar = "esno_db", "bandwidth_ratio"
    watched: ClassVar = "psnr"

    kind: Literal["semantic"] = "semantic"
    users: Annotated[int, Field(ge=1, le=MOST_USERS)] = 1
    power_offsets: tuple[Offset, ...] = ()
    realism: float = Field(1.0, ge=0, le=1)
    lpips: DataFile | None = None
    hardware: Hardware | None = None

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
        digital = any(codec in name for codec in CODECS for name in self.receivers)
        if not digital:
            self.stop.refuse_blocks()
        check_offsets(self.power_offsets, self.users)
        if digital and len(set(self.power_offsets)) > 1:
            raise ValueError(
                "jpeg, webp and bpg have one code rate for all users: give them equal "
                "power_offsets, or leave these receivers out"
            )
        if self.lpips and self.payload.source == "mnist":
            raise ValueError(
                "lpips needs images of at least 31 pixels, those of payload.source = "
                "'mnist' have 28: leave lpips out, or use cifar10"
            )
        if self.hardware is not None:
            self._check_hardware(self.hardware)
        streams = self.users * self.antennas.streams
        left = self.grid.effective_subcarriers % streams
        low, high = self.grid.guard_carriers
        if left:
            raise ValueError(
                f"the {streams} streams of all users must divide the "
                f"{self.grid.effective_subcarriers} usable subcarriers: use "
                f"grid.guard_carriers = [{low}, {high + left}]"
            )
        return self

    def _check_hardware(self, hardware: Hardware) -> None:
        random = hardware.kappa_transmit or hardware.kappa_receive
        if random or hardware.phase_noise or hardware.carrier_offset:
            raise ValueError(
                "phase_noise, carrier_offset and kappa are for links of bits: leave "
                "them out of hardware here"
            )
        if self.users > 1:
            raise ValueError("hardware is that of one user: set users = 1")
        if hardware.of_an_antenna:
            self.refuse_precoding()
        if any(codec in name for codec in CODECS for name in self.receivers):
            raise ValueError(
                "jpeg, webp and bpg choose rates for perfect hardware: leave hardware "
                "out, or these receivers"
            )

    @property
    def networks(self) -> tuple[str, ...]:
        return (CLASSIFIERS[str(self.payload.source)],)

    @property
    def spread(self) -> int:
        """Channel uses that a symbol is spread over, to tell the users apart."""
        if self.users == 1:
            return 1
        if self.channel.model == "awgn":  # to all antennas, users are alike
            return self.users
        return -(-self.users * self.antennas.streams // self.antennas.receive)

    @property
    def powers(self) -> tuple[float, ...]:
        """Energy of each user over that at an offset of 0 dB."""
        return energies(self.power_offsets, self.users)

    def weights_name(self, role: str) -> str:
        return f"semantic-{role}-{self.payload.source}"

    @property
    def remark(self) -> str | None:
        remarks = [super().remark]
        if not self.lpips and self.payload.source != "mnist":
            remarks.append(NO_LPIPS)
        return "\n".join(filter(None, remarks)) or None
