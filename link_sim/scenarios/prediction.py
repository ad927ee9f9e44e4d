"""The kind `prediction`: channels ahead of the slots that are observed."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.csi import Site
from link_sim.scenarios.sections import Section
from link_sim.scenarios.sites import load_site

MOST_VALUES = 3e7
"""Complex values of a batch; searches for paths take 8 times as many."""


class Prediction(Section):
    """What is observed, and which channel is wanted.

    ahead: slots after the last that is observed, 0 for that one. observed: slots, one
    after the other, each with pilots on all subcarriers of a symbol. slot: [s]. speed:
    of users [m/s]; the direction is drawn. ensemble: users of a site, or drops of UMi.
    """

    ahead: Annotated[int, Field(ge=0, le=1000)] | None = None
    observed: Annotated[int, Field(ge=2, le=64)] = 8
    slot: Annotated[float, Field(ge=1e-5, le=0.1)] = 0.5e-3
    speed: Annotated[float, Field(gt=0, le=1000)] = 25 / 3
    ensemble: Literal["site", "umi"] = "site"


class PredictionScenario(Scenario):
    """One comparison of predictors. The SNR is that of a pilot at an antenna."""

    opens: ClassVar = "link_sim.experiments.prediction:PredictionOfChannels"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = "slots_ahead", "snr_db"
    watched: ClassVar = "nmse"

    kind: Literal["prediction"] = "prediction"
    prediction: Prediction = Prediction()
    site: Site | None = None

    @property
    def cell(self) -> Site:
        """The site, or the usual one."""
        return self.site or Site()

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        asked, cell = self.prediction, self.cell
        if asked.ahead is None:
            raise ValueError(
                "prediction.ahead is not set: say how many slots ahead, or sweep "
                "slots_ahead"
            )
        slots = asked.observed + (asked.ahead if asked.ensemble == "umi" else 0)
        if self.batch_size * slots * cell.antennas * cell.subcarriers > MOST_VALUES:
            raise ValueError(
                f"{self.batch_size} channels of {slots} slots, {cell.antennas} "
                f"antennas and {cell.subcarriers} subcarriers do not fit the memory: "
                "lower batch_size"
            )
        if asked.ensemble == "umi":
            if cell.name != Site().name or cell.diffuse:
                raise ValueError(
                    "site.name and site.diffuse say nothing of umi: leave them out, or "
                    "use prediction.ensemble=site"
                )
            if "genie" in self.receivers:
                raise ValueError(
                    "genie knows the paths of a site, and drops of umi do not tell "
                    "theirs: leave genie out, or use prediction.ensemble=site"
                )
        return self

    def check_files(self) -> None:
        """Raises `ScenarioError` for a file that holds no site."""
        if self.prediction.ensemble == "site":
            load_site(self.cell.name)
