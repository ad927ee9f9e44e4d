"""The kind `focusing`: precoders of one large array for many users near it."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.sections import Section


class Downlink(Section):
    """Who is served by what.

    users: of one antenna each. antennas: of a uniform linear array at 100 GHz, half a
    wavelength apart. geometry: `uniform` (10 to 100 m, +-60 degrees, equal path gains)
    or `clustered` (groups of 8 users, path gains within +-10 dB). subarray: antennas
    that share one chain behind phase shifters, 1 for a fully digital array. err_var:
    variance of the error with which the channel to an antenna is known; its mean power
    is 1.
    """

    users: Annotated[int, Field(ge=1, le=1024)] = 75
    antennas: Annotated[int, Field(ge=1, le=4096)] = 1024
    geometry: Literal["uniform", "clustered"] = "uniform"
    subarray: Annotated[int, Field(ge=1)] = 1
    err_var: Annotated[float, Field(ge=0, le=100)] = 0.0

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.antennas % self.subarray:
            raise ValueError(
                f"subarray = {self.subarray} does not divide antennas = "
                f"{self.antennas}: use a divisor"
            )
        chains = self.antennas // self.subarray
        if self.users > chains:
            raise ValueError(
                f"users = {self.users} exceed the {chains} chains of the array: use "
                "fewer users, more antennas or smaller subarrays"
            )
        return self


LOWEST_DB, HIGHEST_DB = -60, 60
"""SNRs between which single precision tells users apart."""


class FocusingScenario(Scenario):
    """One comparison of precoders on drops of users.

    The SNR is that of a user of mean path gain who gets an equal share of the power,
    undisturbed and fully focused on.
    """

    opens: ClassVar = "link_sim.experiments.focusing:Focusing"
    levels: ClassVar = (("snr_db",),)
    short_axes: ClassVar = ("snr_db",)
    watched: ClassVar = "sum_rate"

    kind: Literal["focusing"] = "focusing"
    downlink: Downlink = Downlink()

    @model_validator(mode="after")
    def check(self) -> Self:
        self.stop.refuse_blocks()
        snr_db = self.sweep.snr_db
        if snr_db is not None and not LOWEST_DB <= snr_db <= HIGHEST_DB:
            raise ValueError(
                f"snr_db = {snr_db:g} is beyond what precoders compute: use "
                f"{LOWEST_DB} to {HIGHEST_DB}"
            )
        return self
