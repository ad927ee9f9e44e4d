"""What the kinds ask that send images over an OFDM grid: `link` and `semantic`."""

from typing import ClassVar, Self

from pydantic import model_validator

from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.channel_file import check_steps
from link_sim.scenarios.interference import interference_remark
from link_sim.scenarios.late_paths import late_remark
from link_sim.scenarios.radio import Channel, Payload
from link_sim.scenarios.sections import Antennas, Grid
from link_sim.scenarios.sites import load_site

NEAR = 0.1
"""How far the carrier may be off that of a traced site, as a share of it."""


class OfdmScenario(Scenario):
    """A comparison over a MIMO-OFDM grid; see the sections."""

    pictures: ClassVar = True

    payload: Payload = Payload()
    grid: Grid = Grid()
    antennas: Antennas = Antennas()
    channel: Channel = Channel()

    @model_validator(mode="after")
    def check_channel(self) -> Self:
        self.channel.check_level(self.level)
        if self.channel.model == "site" and self.antennas.polarisation == "dual":
            raise ValueError(
                "channel.model = 'site' has a single polarisation: set "
                "antennas.polarisation=single"
            )
        return self

    @property
    def to_learn(self) -> Self:
        """The scenario whose channels estimators learn from."""
        if self.channel.model != "site":
            return self
        channel = self.channel.model_copy(update={"users": "train"})
        return self.model_copy(update={"channel": channel})

    def refuse_precoding(self) -> None:
        """Raises `ValueError` where antennas do not send one stream each."""
        if self.antennas.transmit != self.antennas.streams:
            raise ValueError(
                "hardware.amplifier, transmit_converter_bits and transmit_iq are those "
                "of an antenna with a stream of its own: "
                f"set antennas.streams = antennas.transmit = {self.antennas.transmit}"
            )

    def check_files(self) -> None:
        if self.channel.model == "site":
            traced, own = load_site(self.channel.traced), self.channel.carrier_frequency
            if abs(own / traced.carrier - 1) > NEAR:
                raise ScenarioError(
                    f"the site was traced at {traced.carrier:g} Hz, and "
                    f"channel.carrier_frequency is {own:g}: set it to the former, or "
                    "trace the site anew by `link-sim trace --carrier`"
                )
        for point in self.sweep.points if self.channel.file is not None else ():
            at = self.at(point)
            check_steps(at, at.grid.symbols)

    @property
    def remark(self) -> str | None:
        found = interference_remark(self), late_remark(self)
        return "\n".join(filter(None, found)) or None
