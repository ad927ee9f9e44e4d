"""The kind `feedback`: a user tells its channel to the base station in few bits."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.csi import Site
from link_sim.scenarios.sections import Section
from link_sim.scenarios.sites import load_site

Ensemble = Literal["scm", "site", "umi"]
MOST_BITS = 65_536
OWN = "rate-distortion", "genie", "genie-scalar"
"""Receivers that know the covariance of each channel."""


class Feedback(Section):
    """What is told, and what codecs have learned from.

    bits: of the word that a user sends. ensemble: of the channels, antennas of the
    base station by those of a user (`scm`, 64 x 16) or by subcarriers (`site`, `umi`).
    trained_on: ensembles that covariances, mixtures and paths are learned from, the
    same as `ensemble` if left out; a site's from users of other squares than those
    tested.
    """

    bits: Annotated[int, Field(ge=1, le=MOST_BITS)] | None = None
    ensemble: Ensemble = "scm"
    trained_on: tuple[Ensemble, ...] = Field(default=("scm",), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def learn_from_the_same(cls, data: Any) -> Any:
        own = data.get("ensemble") if isinstance(data, dict) else None
        return {"trained_on": [own]} | data if own else data

    @model_validator(mode="after")
    def check(self) -> Self:
        if len(set(self.trained_on)) != len(self.trained_on):
            raise ValueError("trained_on repeats a name: list each once")
        if len({name == "scm" for name in (self.ensemble, *self.trained_on)}) > 1:
            raise ValueError(
                "trained_on has antennas of another kind than ensemble: use scm with "
                "scm, and site and umi with each other"
            )
        return self


class FeedbackScenario(Scenario):
    """One comparison of codecs. The SNR is that of a user served by one antenna."""

    opens: ClassVar = "link_sim.experiments.feedback:FeedbackOfChannels"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = "bits", "snr_db"
    watched: ClassVar = "nmse"

    kind: Literal["feedback"] = "feedback"
    feedback: Feedback = Feedback()
    site: Site | None = None

    @property
    def cell(self) -> Site:
        """The site, or the usual one."""
        return self.site or Site()

    @property
    def fewest_bits(self) -> int:
        """Of all points."""
        if self.sweep.axis == "bits":
            return int(min(self.sweep.points))
        return self.feedback.bits or 0

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        if self.feedback.bits is None:
            raise ValueError(
                "feedback.bits is not set: say how many a user sends, or sweep bits"
            )
        if self.feedback.ensemble == "scm":
            if self.site is not None:
                raise ValueError(
                    "the section site has no meaning for feedback.ensemble = "
                    "'scm': use the ensemble site or umi, or leave it out"
                )
            if "global" in self.receivers:
                raise ValueError(
                    "the receiver 'global' knows UMi and a site, not scm: use "
                    "transform, or feedback.ensemble=site"
                )
        own = [name for name in self.receivers if name in OWN]
        if own and self.feedback.ensemble == "umi":
            raise ValueError(
                f"{own[0]} knows each channel's covariance, and drops of umi do not "
                f"tell theirs: leave {own[0]} out, or use feedback.ensemble=scm or site"
            )
        return self

    def check_files(self) -> None:
        """Raises `ScenarioError` for a file that holds no site."""
        names = self.feedback.ensemble, *self.feedback.trained_on
        if "site" in names or "global" in self.receivers:
            load_site(self.cell.name)
