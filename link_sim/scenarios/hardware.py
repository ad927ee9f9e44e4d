"""The section `hardware`: imperfections of transmitter and receiver, with units."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.sections import Section

MEASURED = "apa-200mhz", "apa-200mhz-b", "dpa-160mhz", "dpa-200mhz"
"""Amplifiers whose coefficients were fitted to measurements."""
Imbalance = tuple[
    Annotated[float, Field(ge=-6, le=6)], Annotated[float, Field(ge=-45, le=45)]
]
Variance = Annotated[float, Field(ge=0, le=1)]


class Hardware(Section):
    """Imperfect hardware at each antenna of the transmitter and at the receiver.

    amplifier: of each transmit antenna: `rapp` (smoothness 2), `modified-rapp` (3GPP,
    30 GHz), `saleh`, `3gpp-polynomial` (R4-163314, 4 GHz), a measured one,
    `apa-200mhz`, `apa-200mhz-b`, `dpa-160mhz`, `dpa-200mhz`, or the path of an `.npz`
    with its input `x` and output `y`, complex [samples], as many in the bandwidth of
    their signal as `oversampling`.
    back_off_db: input back-off [dB], of the mean power below that at which the gain is
    1 dB below its largest; of a measured amplifier, below the drive of the measurement,
    so that negative values overdrive it and its input is clipped.
    predistortion: whether a memory polynomial before the amplifier inverts it.
    oversampling: samples for each of the grid's bandwidth, in the transmitter's
    converters and amplifier.
    phase_noise: of the receiver's oscillator: `tr38803-30ghz` and `tr38803-45ghz` (3GPP
    TR 38.803, at 29.55 and 45 GHz) or `r1-163984` (set B, at 60 GHz); at another
    `oscillator_frequency` [Hz] scaled by 20 log10 of the ratio.
    carrier_offset: [Hz], what synchronisation left.
    sampling_offset: of the receiver's clock, in parts per million.
    transmit_iq, receive_iq: imbalance of the I and Q branches, gain [dB] and phase
    [degrees].
    converter_bits: of each real part of what a receive antenna converts, with the step
    that suits Gaussian signals best; none for perfect converters.
    transmit_converter_bits: the same of what a transmit antenna is given.
    kappa_transmit, kappa_receive: variances of distortion that is white, Gaussian and
    independent of the signal, over the energy of the signal that is sent, and of that
    which an antenna receives.
    """

    amplifier: Literal[
        "rapp", "modified-rapp", "saleh", "3gpp-polynomial",
        "apa-200mhz", "apa-200mhz-b", "dpa-160mhz", "dpa-200mhz",
    ] | DataFile | None = None  # fmt: skip
    back_off_db: Annotated[float, Field(ge=-10, le=40)] = 0.0
    predistortion: bool = False
    oversampling: Annotated[int, Field(ge=1, le=16)] = 4
    phase_noise: Literal["tr38803-30ghz", "tr38803-45ghz", "r1-163984"] | None = None
    oscillator_frequency: Annotated[float, Field(ge=1e9, le=3e11)] | None = None
    carrier_offset: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    sampling_offset: Annotated[float, Field(ge=-200, le=200)] = 0.0
    transmit_iq: Imbalance = (0.0, 0.0)
    receive_iq: Imbalance = (0.0, 0.0)
    converter_bits: Annotated[int, Field(ge=1, le=16)] | None = None
    transmit_converter_bits: Annotated[int, Field(ge=1, le=16)] | None = None
    kappa_transmit: Variance = 0.0
    kappa_receive: Variance = 0.0

    @property
    def of_an_antenna(self) -> bool:
        """Whether what an antenna sends depends on all that it is given."""
        parts = self.amplifier, self.transmit_converter_bits
        return parts != (None, None) or any(self.transmit_iq)

    @model_validator(mode="after")
    def check(self) -> Self:
        own = self.amplifier
        if isinstance(own, DataFile) and not own.path.endswith(".npz"):
            raise ValueError(
                f"amplifier = '{own.path}' is neither an .npz file nor one "
                f"of rapp, modified-rapp, saleh, 3gpp-polynomial, {', '.join(MEASURED)}"
            )
        if self.amplifier is None and (self.back_off_db or self.predistortion):
            raise ValueError(
                "back_off_db and predistortion belong to an amplifier: set "
                "hardware.amplifier, or leave them out"
            )
        if self.amplifier is not None and self.oversampling < 2:
            raise ValueError(
                "an amplifier spreads the spectrum, and oversampling = 1 folds it "
                "back: use 4, or 2 at least"
            )
        if self.oscillator_frequency is not None and self.phase_noise is None:
            raise ValueError(
                "oscillator_frequency scales phase noise: set hardware.phase_noise, "
                "or leave it out"
            )
        return self
