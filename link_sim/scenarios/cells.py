"""Interference from other cells."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from link_sim.scenarios.radio import Channel
from link_sim.scenarios.sections import Decibels


class CellChannel(Channel):
    """Radio channel of a cell, and what users of other cells send into it.

    interferers: such users. They have as many antennas and streams as the own ones and
    channels of the same model; they send QAM on all subcarriers in use, also where the
    own users send pilots, and are not decoded.
    sir_db: received energy of an own user, at an offset of 0 dB, over that of all
    interferers, who share it equally [dB].
    """

    interferers: Annotated[int, Field(ge=0, le=16)] = 0
    sir_db: Decibels | None = None

    @property
    def others(self) -> tuple[float, ...]:
        if self.sir_db is None:
            return ()
        return (10 ** (-self.sir_db / 10) / self.interferers,) * self.interferers

    @field_validator("interferers", mode="before")
    @classmethod
    def check_number(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            raise ValueError(
                "interferers is their number, not a list of levels: set for example "
                "channel.interferers=1 and the level of all in channel.sir_db"
            )
        return value

    @model_validator(mode="after")
    def check_interferers(self) -> Self:
        if (self.interferers > 0) != (self.sir_db is not None):
            raise ValueError(
                "interferers go with a level and only with it: set channel.interferers "
                "and channel.sir_db together"
            )
        return self
