"""The kind `detection`: detectors of MIMO symbols by themselves, without a code."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.sections import QAM, Section


class Mimo(Section):
    """What is sent over what.

    antennas: at the receiver. load: streams per antenna. bits_per_symbol: 2 (QPSK), 4,
    6, 8, 10. correlation: rho, of receive antennas i and j it is rho^|i - j|.
    """

    antennas: Annotated[int, Field(ge=1, le=1024)] = 32
    load: Annotated[float, Field(gt=0, le=4)] = 0.75
    bits_per_symbol: Literal[2, 4, 6, 8, 10] = 4
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def streams(self) -> int:
        return max(1, round(self.load * self.antennas))


class DetectionScenario(Scenario):
    """One comparison of detectors over Rayleigh channels that are known."""

    opens: ClassVar = "link_sim.experiments.detection:Detection"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = ("snr_db",)
    watched: ClassVar = "ser"

    kind: Literal["detection"] = "detection"
    mimo: Mimo = Mimo()

    def weights_name(self, role: str) -> str:
        return f"{role}-{QAM[self.mimo.bits_per_symbol]}"

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        return self
