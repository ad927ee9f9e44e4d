"""The kind `semi-blind`: short coded blocks over flat channels with very few pilots."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.sections import Count, Section

TAIL = 6
"""Bits that end the code, of 64 states."""
Few = Annotated[int, Field(ge=1, le=64)]


class Block(Section):
    """What is sent over one channel.

    receive, transmit: antennas of the two ends, each transmit antenna with a stream of
    QPSK of its own. uses: of the channel; the first `pilots` are columns of a DFT
    matrix, the others carry one block of the convolutional code (133, 171), rate 1/2.
    paths: fewest and most.
    """

    receive: Few = 8
    transmit: Few = 4
    uses: Annotated[int, Field(ge=2, le=256)] = 16
    pilots: Annotated[int, Field(ge=0, le=256)] = 4
    paths: tuple[Count, Count] = (3, 8)

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.pilots == 0:
            raise ValueError(
                "without pilots nothing tells the phase of the channel, nor which "
                "stream is which: use 1 or more in block.pilots"
            )
        if self.pilots > self.transmit:
            raise ValueError(
                f"pilots = {self.pilots} are more than the {self.transmit} columns "
                "that are orthogonal: use at most one per transmit antenna"
            )
        if self.uses < self.transmit:
            raise ValueError(
                f"{self.uses} uses are fewer observations than {self.transmit} "
                "transmit antennas have unknowns: use more uses or fewer antennas"
            )
        if (self.uses - self.pilots) * self.transmit <= TAIL:
            raise ValueError(
                f"{self.uses} uses leave no bit beside pilots and tail: use more"
            )
        if self.paths[0] > self.paths[1] or self.paths[1] > 100:
            raise ValueError(
                f"paths = {list(self.paths)} is no range: put the smaller number "
                "first, at most 100"
            )
        return self


class SemiBlindScenario(Scenario):
    """One comparison of receivers that tell channel and bits from each other."""

    opens: ClassVar = "link_sim.experiments.semi_blind:SemiBlindBlocks"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = ("snr_db",)
    watched: ClassVar = "bler"

    kind: Literal["semi-blind"] = "semi-blind"
    block: Block = Block()
