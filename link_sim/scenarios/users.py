"""Users that share the resource elements of a link."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from link_sim.scenarios.sections import Antennas

MOST_USERS = 16
Offset = Annotated[float, Field(ge=-40, le=40)]


class UserAntennas(Antennas):
    """Antennas and streams of each user, and of the base station that receives all.

    users: transmitters on the same resource elements, each with images of its own,
    with `transmit` antennas and `streams`, and over a channel of its own.
    power_offsets: of each user's energy [dB]; none for all 0. At 0 dB a user has a
    total transmit energy of 1 per resource element.
    precoder: of the base station where the direction is `downlink`, a name as
    scenarios of the kind `focusing` have it; none for `rzf`.
    """

    users: Annotated[int, Field(ge=1, le=MOST_USERS)] = 1
    power_offsets: tuple[Offset, ...] = ()
    precoder: str | None = None

    @property
    def all_streams(self) -> int:
        """Streams of all users together."""
        return self.users * self.streams

    @property
    def powers(self) -> tuple[float, ...]:
        """Energy of each stream of all users over that at an offset of 0 dB."""
        each = energies(self.power_offsets, self.users)
        return tuple(energy for energy in each for _ in range(self.streams))

    @model_validator(mode="after")
    def check_users(self) -> Self:
        if self.all_streams > self.receive:
            raise ValueError(
                f"users = {self.users} with streams = {self.streams} each exceed "
                f"receive = {self.receive} antennas: use at most as many streams as "
                "receive antennas in all"
            )
        check_offsets(self.power_offsets, self.users)
        return self


def check_offsets(power_offsets: tuple[float, ...], users: int) -> None:
    """Raises `ValueError` unless there is one for each user, or none."""
    if len(power_offsets) not in (0, users):
        raise ValueError(
            f"power_offsets has {len(power_offsets)} values for users = {users}: "
            "give one a user, or none"
        )


def energies(power_offsets: tuple[float, ...], users: int) -> tuple[float, ...]:
    """Energy of each user over that at an offset of 0 dB."""
    return tuple(10 ** (o / 10) for o in power_offsets or (0.0,) * users)
