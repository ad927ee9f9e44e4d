"""The kind `link`: images as coded bits over a MIMO-OFDM link."""

from typing import ClassVar, Literal

from pydantic import model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.cells import CellChannel
from link_sim.scenarios.channel_file import check_steps
from link_sim.scenarios.interference import interference_remark
from link_sim.scenarios.radio import Payload
from link_sim.scenarios.sections import QAM, Code, Grid
from link_sim.scenarios.users import UserAntennas


class LinkScenario(Scenario):
    """A comparison of receivers of images over a link; see the sections."""

    opens: ClassVar = "link_sim.experiments.link:Link"
    levels: ClassVar = (("ebno_db", "esno_db"),)
    short_axes: ClassVar = "ebno_db", "esno_db", "num_steps", "pilot_spacing"
    pictures: ClassVar = True

    kind: Literal["link"] = "link"
    payload: Payload = Payload()
    code: Code = Code()
    grid: Grid = Grid()
    antennas: UserAntennas = UserAntennas()
    channel: CellChannel = CellChannel()

    @property
    def networks(self) -> tuple[str, ...]:
        return () if self.payload.source == "cifar10" else ("digit-classifier",)

    def weights_name(self, role: str) -> str:
        return f"{role}-{QAM[self.code.bits_per_symbol]}" if role == "amp-gnn" else role

    def check_files(self) -> None:
        for point in self.sweep.points if self.channel.file is not None else ():
            at = self.at(point)
            check_steps(at, at.grid.symbols)

    @property
    def remark(self) -> str | None:
        return interference_remark(self)

    @model_validator(mode="after")
    def check(self):
        self.channel.check_level(self.level)
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
        return self
