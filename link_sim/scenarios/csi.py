"""The kind `csi`: channel estimation by itself, on an ensemble of channels."""

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.flat_channels import ENDS, flat_channels, learned
from link_sim.scenarios.radio import Share
from link_sim.scenarios.sections import Section
from link_sim.scenarios.sites import load_site

Ensemble = Literal["scm", "cdl-a", "cdl-b", "cdl-c", "cdl-d", "file", "site", "umi"]
FIELDS = "site", "umi"
"""Ensembles over antennas and carriers of an OFDM symbol."""
ROUNDED = 0.011
"""How far alpha may be off 1 over a whole number: 0.33 is a third."""
EXAMPLES = 2
"""Examples per pair of antennas that a covariance is learned from, at least."""


class Estimation(Section):
    """What is estimated, and what estimators have learned from.

    ensemble: of the channels under test; with `file`, those of the user's `file`.
    trained_on: ensembles that covariances and denoiser know; of several, both are
    mixtures. A file's are learned from a part of its examples, and tested on the
    others; a site's from users of other squares than those tested. alpha: pilots per
    transmit antenna or, of `site` and `umi`, per subcarrier: 1 over a whole number.
    chirped: pilots of scm that see all angles, in place of beams. converter_bits: of
    each real part of what scm gives, samples if left out.
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
        own = data.get("ensemble") if isinstance(data, dict) else None
        return {"trained_on": [own]} | data if own in ("file", *FIELDS) else data

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
        kinds = {family(name) for name in (*self.trained_on, self.ensemble)}
        if len(kinds) > 1:
            raise ValueError(
                "trained_on has antennas of another kind than ensemble: use scm with "
                "scm, cdl with cdl, and site and umi with each other"
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
        if self.ensemble not in ("file", *FIELDS) and self.alpha < 1 / 64:
            raise ValueError(
                f"alpha = {self.alpha} leaves no pilot on 64 transmit antennas: use "
                "0.016 or more in estimation.alpha and sweep.points"
            )
        return self


def family(ensemble: str) -> str:
    """What has the same antennas as an ensemble."""
    return "fields" if ensemble in FIELDS else ensemble[:3]


class Site(Section):
    """An OFDM symbol from a user's antenna to a base station.

    name: of the site, `munich`, or the path of a file that `link-sim trace` wrote.
    antennas: of the base station, a line of them half a wavelength apart.
    bandwidth: [Hz], of all `subcarriers`. diffuse: share of the power of each path that
    is scattered behind and around it.
    """

    name: Literal["munich"] | DataFile = "munich"
    antennas: Annotated[int, Field(ge=2, le=256)] = 16
    subcarriers: Annotated[int, Field(ge=4, le=1024)] = 64
    bandwidth: Annotated[float, Field(ge=1e4, le=1e9)] = 20e6
    diffuse: Share = 0.0

    @model_validator(mode="after")
    def check(self) -> Self:
        if not 100 <= self.bandwidth / self.subcarriers <= 1e8:
            raise ValueError(
                f"{self.subcarriers} subcarriers of {self.bandwidth:g} Hz lie less "
                "than 100 Hz or more than 100 MHz apart: change site.bandwidth or "
                "site.subcarriers"
            )
        return self

    @property
    def frequencies(self) -> np.ndarray:
        """Of the subcarriers, about the carrier [Hz]."""
        spacing = self.bandwidth / self.subcarriers
        return spacing * (np.arange(self.subcarriers) - self.subcarriers // 2)

    def carriers(self, alpha: float) -> np.ndarray:
        """Indices of subcarriers with pilots: each (1 / alpha)-th."""
        return np.arange(0, self.subcarriers, round(1 / alpha))


class CsiScenario(Scenario):
    """One comparison of channel estimators on an ensemble."""

    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = "snr_db", "alpha"
    watched: ClassVar = "nmse"

    kind: Literal["csi"] = "csi"
    estimation: Estimation = Estimation()
    site: Site | None = None

    @property
    def opens(self) -> str:  # type: ignore[override]
        fields = self.estimation.ensemble in FIELDS
        return f"link_sim.experiments.{'csi_fields:CsiFields' if fields else 'csi:Csi'}"

    @property
    def cell(self) -> Site:
        """The site, or the usual one."""
        return self.site or Site()

    @property
    def networks(self) -> tuple[str, ...]:
        if self.estimation.ensemble in FIELDS:
            used = {"score": "csi-ofdm", "neural": "csi-site"}
            return tuple(v for k, v in used.items() if k in " ".join(self.receivers))
        if not any("score" in name for name in self.receivers):
            return ()
        if self.estimation.ensemble == "file":
            return ("csi-clusters",)
        scm = self.estimation.trained_on == ("scm",)
        return ("csi-scm",) if scm else ("csi-cdl", "csi-clusters")

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        fields = self.estimation.ensemble in FIELDS
        if self.site is not None and not fields:
            raise ValueError(
                f"the section site has no meaning for estimation.ensemble = "
                f"'{self.estimation.ensemble}': use the ensemble site or umi, or leave "
                "it out"
            )
        known = self.estimation.ensemble, *self.estimation.trained_on
        own = self.cell.name != Site().name or self.cell.diffuse
        if fields and own and "site" not in known:
            raise ValueError(
                "site.name and site.diffuse say nothing of umi: leave them out, or "
                "use estimation.ensemble=site or estimation.trained_on=['site']"
            )
        if fields and self.is_point:
            self.check_pilots()
        return self

    def check_pilots(self) -> None:
        """Raises `ValueError` for too few subcarriers with pilots, or uneven ones."""
        alpha, cell = self.estimation.alpha, self.cell
        if abs(round(1 / alpha) * alpha - 1) > ROUNDED:
            raise ValueError(
                f"alpha = {alpha:g} is no share of evenly spaced pilots: use 1 over a "
                "whole number, such as 0.5 or 0.25, in estimation.alpha and "
                "sweep.points"
            )
        if len(cell.carriers(alpha)) < 2:
            raise ValueError(
                f"alpha = {alpha:g} leaves fewer than two pilots on "
                f"{cell.subcarriers} subcarriers: use more in estimation.alpha and "
                "sweep.points"
            )

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
        if "site" in (self.estimation.ensemble, *self.estimation.trained_on):
            load_site(self.cell.name)
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
