"""The kind `sounding`: large arrays behind few receive chains, y = M h + n."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.sections import Count, Positive, Section

LARGEST = 4096
"""Antennas of an array."""


class Array(Section):
    """A flat array of antennas.

    antennas: along a line, or rows and columns of a plane. spacing: [wavelengths].
    carrier: [Hz].
    """

    antennas: tuple[Count, ...] = Field(default=(256,), min_length=1, max_length=2)
    spacing: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    carrier: Annotated[float, Field(ge=1e8, le=1e13)] = 100e9

    @property
    def size(self) -> int:
        return self.antennas[0] * self.antennas[-1] ** (len(self.antennas) - 1)

    @model_validator(mode="after")
    def check(self) -> Self:
        if not 2 <= self.size <= LARGEST or min(self.antennas) < 2:
            raise ValueError(
                f"antennas = {list(self.antennas)} is not possible: use 2 to {LARGEST} "
                "in all, at least 2 along each axis"
            )
        return self


class Waves(Section):
    """What arrives.

    scattering: `paths` are spherical waves from points; `isotropic` is a Gaussian field
    from everywhere, `clusters` one from `paths` narrow clusters that stay.
    ranges: of the points, nearest and farthest [m]. visible: smallest and largest part
    of the array along each axis that sees a path; absent, all see all. partly: chance
    that a path is not seen by all. edge: width of the fall from seen to not seen, a
    raised cosine [antennas]; 0 is hard. subcarriers: that share the geometry, over
    `bandwidth` [Hz]. squint: whether each has the phases of its own wavelength over the
    array, or all those of the carrier's.
    """

    scattering: Literal["paths", "isotropic", "clusters"] = "paths"
    paths: Annotated[int, Field(ge=1, le=50)] = 6
    ranges: tuple[Positive, Positive] = (5.0, 30.0)
    visible: tuple[Positive, Annotated[float, Field(le=1)]] | None = None
    partly: Annotated[float, Field(ge=0, le=1)] = 1.0
    edge: Annotated[float, Field(ge=0, le=1000)] = 0.0
    subcarriers: Annotated[int, Field(ge=1, le=256)] = 4
    bandwidth: Positive = 100e6
    squint: bool = False

    @model_validator(mode="after")
    def check(self) -> Self:
        for name in ("ranges", "visible"):
            pair = getattr(self, name)
            if pair and pair[0] > pair[1]:
                raise ValueError(f"{name} = {list(pair)} falls: put the smaller first")
        if self.scattering != "paths" and (self.visible or self.subcarriers > 1):
            raise ValueError(
                f"{self.scattering} waves have one subcarrier and are seen by all "
                "antennas: set waves.subcarriers=1 and leave out waves.visible"
            )
        return self


class Combiner(Section):
    """What is measured: `chains` linear combinations of the antennas in each slot.

    kind: weights are `signs` or `phases` of so many `bits`; with `none`, every antenna
    has a chain of its own and is measured once.
    """

    kind: Literal["signs", "phases", "none"] = "signs"
    chains: Count = 16
    slots: Count = 8
    bits: Annotated[int, Field(ge=1, le=16)] = 2

    @property
    def measurements(self) -> int:
        return self.chains * self.slots


class Prior(Section):
    """What came before.

    snapshots: pilots of earlier channels, each with a combiner of its own, from which
    `score`, `spectrum` and `sample-lmmse` learn, at the same SNR. since: how many of
    them came since clusters moved, the others being of clusters elsewhere; absent, all.
    """

    snapshots: Annotated[int, Field(ge=1, le=100_000)] = 16
    since: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.since is not None and self.since > self.snapshots:
            raise ValueError(
                f"since = {self.since} is more than snapshots = {self.snapshots}: "
                "lower the former"
            )
        return self


class SoundingScenario(Scenario):
    """Estimators of the channels of a large array, compared on the same channels."""

    opens: ClassVar = "link_sim.experiments.sounding:Sounding"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = ("snr_db",)
    watched: ClassVar = "nmse_mean"

    kind: Literal["sounding"] = "sounding"
    array: Array = Array()
    waves: Waves = Waves()
    combiner: Combiner = Combiner()
    prior: Prior = Prior()

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        m = self.combiner.measurements
        few = self.combiner.kind == "none" or m <= self.array.size
        if self.is_point and not few:
            raise ValueError(
                f"{m} measurements are more than {self.array.size} antennas: lower "
                "combiner.slots or combiner.chains, or set combiner.kind='none'"
            )
        if self.prior.since is not None and self.waves.scattering != "clusters":
            raise ValueError(
                f"prior.since = {self.prior.since} needs clusters that move: set "
                "waves.scattering='clusters', or leave it out"
            )
        return self

    def built_for(self, point: float) -> Self:
        """Priors are learned at the SNR of the point."""
        return self.at(point).model_copy(update={"stop": type(self.stop)()})
