"""The sections that name what is sent and the channel, files of the user included."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.sections import Count, Section

SPEED_OF_LIGHT = 299_792_458


class Payload(Section):
    """What is sent.

    source: `mnist` (5,000 embedded digits), `cifar10`, `random` (8-bit noise of 28x28
    pixels), or the path of an image or of an `.npz` file with an array `images`,
    uint8 [number, height, width] or [number, height, width, channels].
    num_images: how many different images of the source are used.
    """

    source: Literal["mnist", "cifar10", "random"] | DataFile = "mnist"
    num_images: Count = 5000


class Channel(Section):
    """Radio channel between transmitter and receiver (uplink).

    model: `awgn`, `rayleigh` (one coefficient per antenna pair and frame), `tdl-a` to
    `tdl-e`, `cdl-a` to `cdl-e`, `umi`, `uma`, `rma` (3GPP TR 38.901, a fresh drop per
    frame), or `cir` (impulse responses from `file`).
    carrier_frequency: [Hz]; delay_spread: RMS [s] of TDL and CDL; speed: [m/s].
    file: path of an `.npz` with `a`, complex [examples, receive antennas, transmit
    antennas, paths, time steps or 1], and `tau`, float [examples, paths] in seconds;
    a time step is one OFDM symbol.
    The channel energy per antenna pair is 1 on average; CDL, drops and files are scaled
    to that in each frame (power control), TDL and Rayleigh keep their fading.
    """

    model: Literal[
        "awgn", "rayleigh",
        "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e",
        "cdl-a", "cdl-b", "cdl-c", "cdl-d", "cdl-e",
        "umi", "uma", "rma",
        "cir",
    ] = "awgn"  # fmt: skip
    carrier_frequency: Annotated[float, Field(ge=0.5e9, le=100e9)] = 3.5e9
    delay_spread: Annotated[float, Field(gt=0, le=1e-3)] = 100e-9
    speed: Annotated[float, Field(ge=0, le=1e4)] = 3.0
    file: DataFile | None = None

    @property
    def doppler(self) -> float:
        """Largest Doppler shift [Hz]."""
        return self.speed * self.carrier_frequency / SPEED_OF_LIGHT

    @model_validator(mode="after")
    def check(self):
        if (self.model == "cir") != (self.file is not None):
            raise ValueError(
                "a file goes with model 'cir' and only with it: set channel.model=cir "
                "and channel.file=PATH together"
            )
        return self
