"""The sections of a scenario: strict models of what can be chosen, with units."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from link_sim.scenarios.errors import ScenarioError, sentence
from link_sim.scenarios.python_values import as_plain, fitted

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Antenna = Annotated[int, Field(ge=1, le=1024)]
Decibels = Annotated[float, Field(ge=-100, le=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OneSentence(type(BaseModel)):  # type: ignore[misc]
    """Of classes whose construction answers mistakes by `ScenarioError`."""

    def __call__(cls, **values: Any) -> Any:
        try:
            return super().__call__(**values)
        except ValidationError as error:
            raise ScenarioError(sentence(error)) from None


class Section(BaseModel, metaclass=OneSentence):
    """Keys with their types.

    Lists, ranges and arrays stand for tuples, and names may be in any case. Raises
    `ScenarioError` where it is made with what is not possible.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def take_what_python_has(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: fitted(as_plain(value), fields[key].annotation)
            if key in fields and not isinstance(value, BaseModel)
            else value
            for key, value in values.items()
        }


QAM = {2: "qpsk", 4: "16-qam", 6: "64-qam", 8: "256-qam", 10: "1024-qam"}
"""Names of alphabets, as weights have them, by bits a symbol."""


class Code(Section):
    """5G NR LDPC code and modulation.

    rate: information and CRC bits over coded bits of one block; below 1/5, the lowest
    rate of the code, coded bits are repeated.
    iterations: belief-propagation iterations.
    bits_per_symbol: 2 (QPSK), 4, 6 (64-QAM), 8 (256-QAM), 10 (1024-QAM).
    reliable_bits: which code bits take the reliable positions of a symbol: those of
    the `information`, as 5G NR has it, or the `parity`, which suits receivers that
    know the source: to them information bits are partly known, and parity bits are not.
    """

    rate: Annotated[float, Field(ge=0.02, le=948 / 1024)] = 0.5
    iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    bits_per_symbol: Literal[2, 4, 6, 8, 10] = 6
    reliable_bits: Literal["information", "parity"] = "information"


class Grid(Section):
    """OFDM resource grid.

    subcarrier_spacing: [Hz]; cyclic_prefix: [samples]; guard_carriers: nulled carriers
    at the lower and upper edge; pilot_symbols: indices of the OFDM symbols with pilots;
    pilot_spacing: each stream sends pilots there on every so-manyth of the subcarriers
    that are its own, the others carry data.
    phase_pilots: in the other symbols, each stream sends pilots on so many of the
    subcarriers that are its own, evenly spread, by which receivers follow the phase.
    per_frame: grids that share a frame of whole images, at least: with several, what
    fewer pilots leave free carries more images.
    """

    symbols: Annotated[int, Field(ge=1, le=1000)] = 14
    fft_size: Annotated[int, Field(ge=4, le=4096)] = 96
    subcarrier_spacing: Annotated[float, Field(ge=100, le=1e8)] = 30e3
    cyclic_prefix: Annotated[int, Field(ge=0)] = 7
    guard_carriers: tuple[int, int] = (4, 3)
    dc_null: bool = True
    pilot_symbols: tuple[Annotated[int, Field(ge=0)], ...] = (2, 11)
    pilot_spacing: Annotated[int, Field(ge=1, le=256)] = 1
    phase_pilots: Annotated[int, Field(ge=1, le=1024)] | None = None
    per_frame: Annotated[int, Field(ge=1, le=64)] = 1

    @property
    def effective_subcarriers(self) -> int:
        return self.fft_size - sum(self.guard_carriers) - self.dc_null

    @model_validator(mode="after")
    def check(self) -> Self:
        if min(self.guard_carriers) < 0 or self.effective_subcarriers < 1:
            raise ValueError(
                f"guard_carriers {list(self.guard_carriers)} leave no subcarrier of "
                f"fft_size {self.fft_size}: lower them"
            )
        if self.cyclic_prefix > self.fft_size:
            raise ValueError("cyclic_prefix is longer than fft_size: lower it")
        pilots = self.pilot_symbols
        if not pilots:
            raise ValueError(
                "pilot_symbols are empty, and without pilots nothing tells the phase "
                "of the channel: name one symbol or more"
            )
        if len(set(pilots)) != len(pilots) or not pilots or max(pilots) >= self.symbols:
            raise ValueError(
                f"pilot_symbols {list(pilots)} must be different indices below "
                f"symbols = {self.symbols}"
            )
        if len(pilots) == self.symbols:
            raise ValueError("pilot_symbols leave no symbol for data: remove some")
        return self


class LinkGrid(Grid):
    """The grid of a link, whose receivers know what they are sent beside data.

    pilot_share: of the energy of a symbol with data, the share of pilots that are sent
    on top of it (superimposed). Only receivers that take turns (`joint`) learn from
    them; pilots of their own, in `pilot_symbols`, are needed to begin with.
    """

    pilot_share: Annotated[float, Field(ge=0, lt=1)] = 0.0


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

    @property
    def powers(self) -> tuple[float, ...]:
        """Energy of each stream over that of one in the only transmitter."""
        return (1.0,) * self.streams

    @model_validator(mode="after")
    def check(self) -> Self:
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


class Sweep(Section):
    """The points to compare at, and the level of noise where another key is swept.

    axis: a short name such as `esno_db` (`link_sim.scenarios.axes`) or any numeric key
    such as `channel.speed`; a point sets that key.
    ebno_db: energy per image bit over no, all overheads counted. esno_db: received
    energy per antenna and resource element over no (of one user, where there are
    several). snr_db: received energy per antenna and pilot over no. All in dB.
    num_steps: steps of the restorers that sample, where their names give none.
    bandwidth_ratio: channel uses of one image over height * width * channels; pilots
    and guards not counted.
    """

    axis: str = "ebno_db"
    points: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(
        min_length=1
    )
    ebno_db: Decibels | None = None
    esno_db: Decibels | None = None
    snr_db: Decibels | None = None
    num_steps: Annotated[int, Field(ge=1, le=200)] | None = None
    bandwidth_ratio: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def check(self) -> Self:
        if len(set(self.points)) != len(self.points):
            raise ValueError("points repeat a value: list each once")
        return self


class Stop(Section):
    """When a point has enough batches: at max_batches, or earlier with one of these.

    target_bler ends the sweep instead: the points after the first, in the order of
    `sweep.points`, at which the block error rate of every receiver is no more than this
    are not simulated; with 0, those after the first without errors.

    block_errors: every receiver has at least so many.
    relative_width: the 95 % interval of `metric`, of every receiver that has it, is
    narrower than this fraction of its value (of the ratio, for metrics in dB).
    metric: a name as in summary.csv, such as `bler`, `nmse` or `psnr`.
    seconds: compute time.
    """

    max_batches: Count = 10
    block_errors: Count | None = None
    relative_width: Positive | None = None
    metric: str = "bler"
    seconds: Positive | None = None
    target_bler: Annotated[float, Field(ge=0, lt=1)] | None = None

    def refuse_blocks(self) -> None:
        """Raises `ValueError` if a rule counts blocks, for where there are none."""
        if self.block_errors is not None:
            raise ValueError(
                "stop.block_errors counts code blocks, but no receiver here has any: "
                "use stop.max_batches, stop.seconds or stop.relative_width"
            )
        if self.relative_width is not None and self.metric == "bler":
            raise ValueError(
                "stop.relative_width is that of code blocks, but no receiver here has "
                "any: name another stop.metric, such as nmse or psnr"
            )
        if self.target_bler is not None:
            raise ValueError(
                "stop.target_bler is of code blocks, but no receiver here has any: "
                "leave it out"
            )
