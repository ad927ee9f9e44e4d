"""The kind `csi`: channel estimation by itself, on an ensemble of channels."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.flat_channels import ENDS, flat_channels, learned
from link_sim.scenarios.sections import Section

Ensemble = Literal["scm", "cdl-a", "cdl-b", "cdl-c", "cdl-d", "file"]
EXAMPLES = 2
"""Examples per pair of antennas that a covariance is learned from, at least."""


class Estimation(Section):
    """What is estimated, and what estimators have learned from.

    ensemble: of the channels under test; with `file`, those of the user's `file`.
    trained_on: ensembles that covariances and denoiser know; of several, both are
    mixtures. A file's are learned from a part of its examples, and tested on the
    others. alpha: pilots per transmit antenna. chirped: pilots of scm that see all
    angles, in place of beams. converter_bits: of each real part of what scm gives,
    samples if left out.
    """

    ensemble: Ensemble = "scm"
    file: DataFile | None = None
    trained_on: tuple[Ensemble, ...] = Field(default=("scm",), min_length=1)
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0
    chirped: bool = False
    converter_bits: Annotated[int, Field(ge=1, le=12)] | None = None

    @model_validator(mode="before")
    @classmethod
    def learn_from_the_file(cls, data: Any) -> Any:
        own = isinstance(data, dict) and data.get("ensemble") == "file"
        return {"trained_on": ["file"]} | data if own else data

    @model_validator(mode="after")
    def check(self) -> Self:
        if (self.ensemble == "file") != (self.file is not None):
            raise ValueError(
                "ensemble = 'file' and a file go together: set estimation.file, or "
                "leave out both"
            )
        if (self.ensemble == "file") != ("file" in self.trained_on):
            raise ValueError(
                "what a file holds is compared with what was learned from it alone: "
                "use trained_on=['file'] with ensemble='file'"
            )
        if len(set(self.trained_on)) != len(self.trained_on):
            raise ValueError("trained_on repeats a name: list each once")
        if len({name == "scm" for name in (*self.trained_on, self.ensemble)}) > 1:
            raise ValueError(
                "trained_on has antennas of another kind than ensemble: use scm with "
                "scm, and cdl with cdl"
            )
        if self.ensemble == "scm" and self.alpha != 1:
            raise ValueError("scm has orthogonal pilots: set estimation.alpha=1")
        given = {
            "converter_bits": self.converter_bits is not None,
            "chirped": self.chirped,
        }
        for key in (key for key, asked in given.items() if asked):
            if self.ensemble != "scm":
                raise ValueError(
                    f"{key} goes with ensemble = 'scm' alone: leave out "
                    f"estimation.{key}"
                )
        if self.ensemble != "file" and self.alpha < 1 / 64:
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
        if not any("score" in name for name in self.receivers):
            return ()
        if self.estimation.ensemble == "file":
            return ("csi-clusters",)
        scm = self.estimation.trained_on == ("scm",)
        return ("csi-scm",) if scm else ("csi-cdl", "csi-clusters")

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        return self

    @property
    def orthogonal(self) -> bool:
        """Whether pilots are orthogonal, one for each transmit antenna, at all points.

        Those for a file are, unless fewer are asked for; then they are random.
        """
        all_of_them = self.estimation.alpha == 1 and self.sweep.axis != "alpha"
        own = self.estimation.ensemble == "file" and all_of_them
        return self.estimation.ensemble == "scm" or own

    def check_files(self) -> None:
        """Raises `ScenarioError` for a file that does not serve the receivers."""
        file = self.estimation.file
        if file is None:
            return
        found = flat_channels(file)
        examples, receive, transmit = found.h.shape
        needed = EXAMPLES * receive * transmit
        if "lmmse" in self.receivers and learned(examples) < needed:
            raise ScenarioError(
                f"{file.path} leaves {learned(examples)} examples to learn from, and "
                f"the covariance of {receive} x {transmit} antennas takes {needed}: "
                "supply more, or leave out the receiver lmmse"
            )
        if "genie" in self.receivers and found.covariances is None:
            raise ScenarioError(
                f"genie knows each channel's covariance, and {file.path} has no arrays "
                f"{' and '.join(ENDS)}: add them, or leave out genie"
            )
        swept = self.sweep.points if self.sweep.axis == "alpha" else ()
        alpha = min(swept, default=self.estimation.alpha)
        if int(alpha * transmit) < 1:
            raise ScenarioError(
                f"alpha = {alpha:g} leaves no pilot on {transmit} "
                "transmit antennas: use more in estimation.alpha and sweep.points"
            )
