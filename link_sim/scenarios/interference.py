"""What a product of grid and frequency response leaves out, where that matters."""

import math
from typing import Any

from link_sim.scenarios import channel_file
from link_sim.scenarios.base import ScenarioError

MATTERS = 0.1
"""Share of `no` from which interference is worth a remark."""
SPREADS = {
    "umi": lambda fc: -0.24 * math.log10(1 + fc) - 6.83,
    "uma": lambda fc: -6.28 - 0.204 * math.log10(fc),
    "rma": lambda fc: -7.43,
}
"""Log of the median RMS delay spread [s] without line of sight, at a carrier frequency
[GHz] (3GPP TR 38.901, table 7.5-6)."""


def interference_remark(scenario: Any) -> str | None:
    """A sentence where a channel that is constant over OFDM symbols is too good.

    It is where the energy of intercarrier interference, or that of paths beyond the
    cyclic prefix, would exceed a tenth of `no` at some point.
    """
    if scenario.channel.domain == "time":
        return None
    points = map(scenario.at, scenario.sweep.points)
    try:
        found = [(carriers(at), beyond_prefix(at), noise_variance(at)) for at in points]
    except ScenarioError:  # results are shown where the file is not, too
        return None
    ici, late, no = max(found, key=lambda each: max(each[:2]) / each[2])
    if max(ici, late) <= MATTERS * no:
        return None
    if ici >= late:
        what, remedy = "intercarrier interference by the Doppler spread", "speed"
    else:
        what, remedy = "interference by paths beyond the cyclic prefix", "delay spread"
    by_sample = scenario.kind == "link" and scenario.channel.model != "cfr"
    hint = ": see channel.domain=time" if by_sample else ""
    level = 10 * math.log10(max(ici, late))
    return (
        f"Not simulated: {what}, about {level:.0f} dB of the signal where noise is "
        f"{10 * math.log10(no):.0f} dB; the channel is constant over each OFDM symbol, "
        f"so results at this {remedy} are too good{hint}."
    )


def carriers(at: Any) -> float:
    """Energy of intercarrier interference, (pi f_D T)^2 / 6, over that of the signal.

    For the spectrum of Clarke and Jakes (Li and Cimini, "Bounds on the interchannel
    interference of OFDM in time-varying impairments", IEEE T-COM 2001).
    """
    model, file = at.channel.model, at.channel.file
    if model in ("awgn", "rayleigh"):
        return 0.0
    if file is not None and channel_file.responses_of(at).steps == 1:
        return 0.0
    turn = math.pi * channel_file.doppler(at) / at.grid.subcarrier_spacing
    return min(turn**2 / 6, 1.0)


def beyond_prefix(at: Any) -> float:
    """Share of the energy of paths later than the cyclic prefix.

    Measured for a file or a site; for models, that of an exponential profile of their
    spread.
    """
    channel, grid = at.channel, at.grid
    prefix = grid.cyclic_prefix / grid.fft_size / grid.subcarrier_spacing
    if channel.file is not None or channel.model == "site":
        return channel_file.responses_of(at).late(prefix)
    spread = channel.delay_spread
    if channel.model in SPREADS:
        spread = 10 ** SPREADS[channel.model](channel.carrier_frequency / 1e9)
    elif channel.model in ("awgn", "rayleigh"):
        return 0.0
    return math.exp(-prefix / spread)


def noise_variance(at: Any) -> float:
    """`no` of a scenario at one point, on the Eb/N0 axis to about 1 dB."""
    noise = 10 ** (-at.level_db / 10)
    if at.level == "esno_db":
        return noise
    grid, streams = at.grid, at.antennas.all_streams
    carriers = grid.effective_subcarriers
    pilots = len(range(0, carriers // streams, grid.pilot_spacing)) * streams
    share = 1 - len(grid.pilot_symbols) * pilots / (grid.symbols * carriers)
    bits = at.antennas.streams * share * at.code.bits_per_symbol * at.code.rate
    return noise * (1 + grid.cyclic_prefix / grid.fft_size) / bits
