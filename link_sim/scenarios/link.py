"""The kind `link`: images as coded bits over a MIMO-OFDM link."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from link_sim.scenarios.cells import CellChannel
from link_sim.scenarios.hardware import Hardware
from link_sim.scenarios.ofdm import OfdmScenario
from link_sim.scenarios.sections import QAM, Code, LinkGrid
from link_sim.scenarios.users import UserAntennas


class LinkScenario(OfdmScenario):
    """A comparison of receivers of images over a link; see the sections.

    direction: `uplink`, or `downlink`: the same channels the other way round
    (reciprocity). The base station knows them, and sends to each user of one antenna a
    stream of its own by `antennas.precoder`.
    """

    opens: ClassVar = "link_sim.experiments.link:Link"
    levels: ClassVar = (("ebno_db", "esno_db"),)
    short_axes: ClassVar = "ebno_db", "esno_db", "num_steps", "pilot_spacing"

    kind: Literal["link"] = "link"
    direction: Literal["uplink", "downlink"] = "uplink"
    code: Code = Code()
    grid: LinkGrid = LinkGrid()
    antennas: UserAntennas = UserAntennas()
    channel: CellChannel = CellChannel()
    hardware: Hardware | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        judges = () if self.payload.source == "cifar10" else ("digit-classifier",)
        precoder = self.antennas.precoder or ""
        return judges + ((precoder,) if precoder.startswith("nc-") else ())

    def weights_name(self, role: str) -> str:
        return f"{role}-{QAM[self.code.bits_per_symbol]}" if role == "amp-gnn" else role

    @model_validator(mode="after")
    def check(self) -> Self:
        antennas, carriers = self.antennas, self.grid.effective_subcarriers
        if carriers % antennas.all_streams:
            users = f" of each of {antennas.users} users" if antennas.users > 1 else ""
            raise ValueError(
                f"antennas.streams = {antennas.streams}{users} must divide the "
                f"{carriers} usable subcarriers: change grid.guard_carriers"
            )
        if self.channel.model == "awgn" and (
            antennas.users > 1 or self.channel.interferers
        ):
            raise ValueError(
                "antennas.users and channel.interferers need channels that tell them "
                "apart, and over channel.model = 'awgn' all are the same: use rayleigh "
                "or another"
            )
        self._check_direction()
        if self.grid.pilot_share and (
            self.hardware is not None or self.direction == "downlink"
        ):
            raise ValueError(
                f"grid.pilot_share = {self.grid.pilot_share:g} needs perfect hardware "
                "in the uplink: set it to 0, or leave hardware and direction out"
            )
        if self.hardware is not None and self.hardware.of_an_antenna:
            self.refuse_precoding()
        return self

    def _check_direction(self) -> None:
        antennas = self.antennas
        if self.direction == "uplink":
            if antennas.precoder is not None:
                raise ValueError(
                    f"antennas.precoder = '{antennas.precoder}' is for the downlink: "
                    "set direction=downlink, or leave it out"
                )
            return
        if self.hardware is not None:
            raise ValueError(
                "hardware is that of the uplink: leave it out, or use "
                "direction = 'uplink'"
            )
        if antennas.transmit > 1:
            raise ValueError(
                f"antennas.transmit = {antennas.transmit} of each user is more than "
                "precoders of the downlink serve: use 1, or direction = 'uplink'"
            )
        if self.channel.interferers:
            raise ValueError(
                "channel.interferers send to the base station: leave them out, or use "
                "direction = 'uplink'"
            )
        if self.channel.domain == "time":
            raise ValueError(
                "direction = 'downlink' precodes each resource element: use "
                "channel.domain = 'frequency'"
            )
        if self.level == "esno_db":
            raise ValueError(
                "direction = 'downlink' has no Es/N0, for what users receive is up to "
                "the precoder: use ebno_db"
            )
