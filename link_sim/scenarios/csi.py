"""The kind `csi`: channel estimation by itself, on an ensemble of channels."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.sections import Section

Ensemble = Literal["scm", "cdl-a", "cdl-b", "cdl-c", "cdl-d"]


class Estimation(Section):
    """What is estimated, and what estimators have learned from.

    ensemble: of the channels under test. trained_on: ensembles that covariances and
    denoiser know; of several, both are mixtures. alpha: pilots per transmit antenna.
    """

    ensemble: Ensemble = "scm"
    trained_on: tuple[Ensemble, ...] = Field(default=("scm",), min_length=1)
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def check(self):
        if len(set(self.trained_on)) != len(self.trained_on):
            raise ValueError("trained_on repeats a name: list each once")
        if len({name == "scm" for name in (*self.trained_on, self.ensemble)}) > 1:
            raise ValueError(
                "trained_on has antennas of another kind than ensemble: use scm with "
                "scm, and cdl with cdl"
            )
        if self.ensemble == "scm" and self.alpha != 1:
            raise ValueError("scm has orthogonal pilots: set estimation.alpha=1")
        if self.alpha < 1 / 64:
            raise ValueError(
                f"alpha = {self.alpha} leaves no pilot on 64 transmit antennas: use "
                "0.016 or more in estimation.alpha and sweep.points"
            )
        return self


class CsiScenario(Scenario):
    """One comparison of channel estimators on an ensemble."""

    opens: ClassVar = "link_sim.experiments.csi:Csi"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = "snr_db", "alpha"
    watched: ClassVar = "nmse"

    kind: Literal["csi"] = "csi"
    estimation: Estimation = Estimation()

    @property
    def networks(self) -> tuple[str, ...]:
        if not any(name.startswith("score") for name in self.receivers):
            return ()
        scm = self.estimation.trained_on == ("scm",)
        return ("csi-scm",) if scm else ("csi-cdl", "csi-clusters")

    @model_validator(mode="after")
    def check(self):
        self.stop.refuse_blocks()
        return self
