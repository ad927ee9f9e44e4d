"""The sections that name what is sent and the channel, files of the user included."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.sections import Count, Section

SPEED_OF_LIGHT = 299_792_458
VARIED = tuple(f"cdl-{profile}" for profile in "abcde") + ("umi", "uma", "rma", "site")
"""Models with antenna patterns, arrays or places, whose mean energy is not 1."""
SHIPPED_SITE = "munich"
Share = Annotated[float, Field(ge=0, le=1)]


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
    frame), `near-field` (six spherical waves from 5 to 30 m over a line of antennas),
    `site` (paths traced in a model of a city, see the docs), or, from `file`, `cir`
    (impulse responses) or `cfr` (frequency responses).
    carrier_frequency: [Hz]; delay_spread: RMS [s] of TDL, CDL and near
    fields; speed: [m/s].
    file: path of an `.npz` with `a`, complex [examples, receive antennas, transmit
    antennas, paths, time steps or 1], and `tau`, float [examples, paths] in seconds; or
    with `h`, complex [examples, receive antennas, transmit antennas, subcarriers, time
    steps or 1], and their `spacing` in Hz. A time step is one OFDM symbol.
    normalise: what has a mean energy of 1: each `frame` (power control: path loss and
    fading are gone), the whole `file` (both stay), or nothing (`none`: gains are those
    of the file or, of CDL and drops, those of the antenna elements). Files are by
    themselves normalised as a whole, CDL and drops in each frame; AWGN, Rayleigh and
    TDL have a mean energy of 1 anyway. The energy is that of an antenna pair or, on the
    Es/N0 axis, that of a receive antenna.
    site: of the model `site`: `munich`, the default, or the path of a file that
    `link-sim trace` wrote. users: those of the `test` squares, the default, or those
    that estimators learn from, `train`. diffuse: share of the power of each path that
    is scattered behind and around it; none for 0.
    domain: `frequency`, a product on each resource element, or `time`, sample by sample
    with intercarrier interference and that of paths beyond the cyclic prefix.
    """

    model: Literal[
        "awgn", "rayleigh",
        "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e",
        "cdl-a", "cdl-b", "cdl-c", "cdl-d", "cdl-e",
        "umi", "uma", "rma", "near-field", "site",
        "cir", "cfr",
    ] = "awgn"  # fmt: skip
    carrier_frequency: Annotated[float, Field(ge=0.5e9, le=100e9)] = 3.5e9
    delay_spread: Annotated[float, Field(gt=0, le=1e-3)] = 100e-9
    speed: Annotated[float, Field(ge=0, le=1e4)] = 3.0
    file: DataFile | None = None
    site: Literal["munich"] | DataFile | None = None
    users: Literal["train", "test"] | None = None
    diffuse: Share | None = None
    normalise: Literal["frame", "file", "none"] | None = None
    domain: Literal["frequency", "time"] = "frequency"

    @property
    def normalisation(self) -> str:
        """What has a mean energy of 1, as chosen or as suits the model."""
        if self.normalise is not None:
            return self.normalise
        if self.file is not None:
            return "file"
        return "frame" if self.model in VARIED else "none"

    @property
    def traced(self) -> str | DataFile:
        """The site of the model `site`."""
        return self.site or SHIPPED_SITE

    @property
    def others(self) -> tuple[float, ...]:
        """Energy of each interferer over that of a user at an offset of 0 dB."""
        return ()

    @property
    def doppler(self) -> float:
        """Largest Doppler shift [Hz]."""
        return self.speed * self.carrier_frequency / SPEED_OF_LIGHT

    @model_validator(mode="after")
    def check(self) -> Self:
        if (self.model in ("cir", "cfr")) != (self.file is not None):
            raise ValueError(
                "a file goes with the models cir and cfr and only with them: set "
                "channel.model=cir and channel.file=PATH together"
            )
        if self.model != "site" and (self.site or self.users or self.diffuse):
            raise ValueError(
                f"site, users and diffuse are for traced channels, not for model = "
                f"'{self.model}': set channel.model=site, or leave them out"
            )
        if self.normalise == "file" and self.file is None:
            raise ValueError(
                "channel.normalise = 'file' is for channels from a file: use frame or "
                "none, or set channel.file"
            )
        if self.domain == "time" and self.model == "cfr":
            raise ValueError(
                "channel.domain = 'time' needs paths: use the models of Sionna, or cir"
            )
        return self

    def check_level(self, level: str) -> None:
        """Raises `ValueError` if the axis would not mean what it says."""
        if level == "esno_db" and self.normalise == "none" and self.model in VARIED:
            raise ValueError(
                "Es/N0 is received energy over no, and channel.normalise = 'none' "
                f"leaves that of {self.model} open: use channel.normalise=frame, or "
                "ebno_db"
            )
