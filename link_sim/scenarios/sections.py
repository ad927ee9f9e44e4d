"""The sections of a scenario: strict models of what can be chosen, with units."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Antenna = Annotated[int, Field(ge=1, le=1024)]
Decibels = Annotated[float, Field(ge=-100, le=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SPEED_OF_LIGHT = 299_792_458
SOURCES = "mnist", "cifar10", "random"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Payload(Section):
    """What is sent.

    source: `mnist` (5,000 embedded digits), `cifar10`, `random` (8-bit noise of 28x28
    pixels), or the path of an image or of an `.npz` file with an array `images`,
    uint8 [number, height, width] or [number, height, width, channels].
    num_images: how many different images of the source are used.
    sha256: of the file, if it is one; added when the scenario is read.
    """

    source: str = "mnist"
    num_images: Count = 5000
    sha256: Sha256 | None = None


class Code(Section):
    """5G NR LDPC code and modulation.

    rate: information and CRC bits over coded bits of one block.
    iterations: belief-propagation iterations.
    bits_per_symbol: 2 (QPSK), 4, 6 (64-QAM), 8 (256-QAM).
    reliable_bits: which code bits take the reliable positions of a symbol: those of
    the `information`, as 5G NR has it, or the `parity`, which suits receivers that
    know the source: to them information bits are partly known, and parity bits are not.
    """

    rate: Annotated[float, Field(ge=0.2, le=0.9)] = 0.5
    iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    bits_per_symbol: Literal[2, 4, 6, 8] = 6
    reliable_bits: Literal["information", "parity"] = "information"


class Grid(Section):
    """OFDM resource grid.

    subcarrier_spacing: [Hz]; cyclic_prefix: [samples]; guard_carriers: nulled carriers
    at the lower and upper edge; pilot_symbols: indices of the OFDM symbols with pilots;
    pilot_spacing: each stream sends pilots there on every so-manyth of the subcarriers
    that are its own, the others carry data.
    """

    symbols: Annotated[int, Field(ge=1, le=1000)] = 14
    fft_size: Annotated[int, Field(ge=4, le=4096)] = 96
    subcarrier_spacing: Annotated[float, Field(ge=100, le=1e8)] = 30e3
    cyclic_prefix: Annotated[int, Field(ge=0)] = 7
    guard_carriers: tuple[int, int] = (4, 3)
    dc_null: bool = True
    pilot_symbols: tuple[Annotated[int, Field(ge=0)], ...] = (2, 11)
    pilot_spacing: Annotated[int, Field(ge=1, le=256)] = 1

    @property
    def effective_subcarriers(self) -> int:
        return self.fft_size - sum(self.guard_carriers) - self.dc_null

    @model_validator(mode="after")
    def check(self):
        if min(self.guard_carriers) < 0 or self.effective_subcarriers < 1:
            raise ValueError(
                f"guard_carriers {list(self.guard_carriers)} leave no subcarrier of "
                f"fft_size {self.fft_size}: lower them"
            )
        if self.cyclic_prefix > self.fft_size:
            raise ValueError("cyclic_prefix is longer than fft_size: lower it")
        pilots = self.pilot_symbols
        if len(set(pilots)) != len(pilots) or not pilots or max(pilots) >= self.symbols:
            raise ValueError(
                f"pilot_symbols {list(pilots)} must be different indices below "
                f"symbols = {self.symbols}"
            )
        if len(pilots) == self.symbols:
            raise ValueError("pilot_symbols leave no symbol for data: remove some")
        return self


class Antennas(Section):
    """Antennas and streams of one transmitter and one receiver.

    polarisation: `single` or `dual` (cross-polarised pairs; even antenna counts).
    Streams share a total transmit energy of 1 per resource element.
    """

    transmit: Antenna = 1
    streams: Antenna = 1
    receive: Antenna = 1
    polarisation: Literal["single", "dual"] = "single"

    @property
    def polarisations(self) -> int:
        """Polarisations between which the receive antennas alternate."""
        return 2 if self.polarisation == "dual" and self.receive > 1 else 1

    @model_validator(mode="after")
    def check(self):
        if self.streams > self.receive:
            raise ValueError(
                f"streams = {self.streams} exceed receive = {self.receive} antennas: "
                "use at most as many streams as receive antennas"
            )
        if self.streams > self.transmit:
            raise ValueError(
                f"streams = {self.streams} exceed transmit = {self.transmit} antennas: "
                "use at most as many streams as transmit antennas"
            )
        for key in ("transmit", "receive"):
            count = getattr(self, key)
            if self.polarisation == "dual" and count > 1 and count % 2:
                raise ValueError(
                    f"{key} = {count} is odd: dual polarisation needs pairs; use an "
                    "even number or polarisation = 'single'"
                )
        return self


class Channel(Section):
    """Radio channel between transmitter and receiver (uplink).

    model: `awgn`, `rayleigh` (one coefficient per antenna pair and frame), `tdl-a` to
    `tdl-e`, `cdl-a` to `cdl-e`, `umi`, `uma`, `rma` (3GPP TR 38.901, a fresh drop per
    frame), or `cir` (impulse responses from `file`).
    carrier_frequency: [Hz]; delay_spread: RMS [s] of TDL and CDL; speed: [m/s].
    file: path of an `.npz` with `a`, complex [examples, receive antennas, transmit
    antennas, paths, time steps or 1], and `tau`, float [examples, paths] in seconds;
    a time step is one OFDM symbol. sha256: of the file, added when it is read.
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
    file: str | None = None
    sha256: Sha256 | None = None

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


class Sweep(Section):
    """The points to compare at.

    axis: `ebno_db` (energy per image bit over no, all overheads counted), `esno_db`
    (received energy per antenna and resource element over no), both in dB,
    `num_steps`: steps of the restorers that sample, at the fixed `esno_db` [dB], or
    `pilot_spacing` (see `Grid`), at the fixed `ebno_db` [dB].
    """

    axis: Literal["ebno_db", "esno_db", "num_steps", "pilot_spacing"] = "ebno_db"
    points: tuple[Annotated[float, Field(ge=-100, le=200)], ...] = Field(min_length=1)
    esno_db: Annotated[float, Field(ge=-100, le=100)] | None = None
    ebno_db: Annotated[float, Field(ge=-100, le=100)] | None = None

    @model_validator(mode="after")
    def check(self):
        if len(set(self.points)) != len(self.points):
            raise ValueError("points repeat a value: list each once")
        if (self.axis == "num_steps") != (self.esno_db is not None):
            raise ValueError("esno_db goes with axis num_steps: set both or neither")
        if (self.axis == "pilot_spacing") != (self.ebno_db is not None):
            raise ValueError(
                "ebno_db goes with axis pilot_spacing: set both or neither"
            )
        whole = self.axis in ("num_steps", "pilot_spacing")
        if whole and any(p < 1 or p % 1 for p in self.points):
            raise ValueError(
                f"points {list(self.points)} of {self.axis} must be whole numbers: "
                "use 1 to 200"
            )
        return self


class Stop(Section):
    """When a point has enough batches: at max_batches, or earlier with one of these.

    block_errors: every receiver has at least so many.
    relative_width: the 95 % interval of every receiver's BLER is narrower than this
    fraction of it.
    seconds: compute time.
    """

    max_batches: Count = 10
    block_errors: Count | None = None
    relative_width: Positive | None = None
    seconds: Positive | None = None

    def refuse_blocks(self) -> None:
        """Raises `ValueError` if a rule counts blocks, for where there are none."""
        for rule in ("block_errors", "relative_width"):
            if getattr(self, rule) is not None:
                raise ValueError(
                    f"stop.{rule} counts code blocks, but no receiver here has any: "
                    "use stop.max_batches or stop.seconds"
                )
