"""What channel estimates leave out: paths later than pilots can tell."""

import math
from typing import Any

import numpy as np

from link_sim.scenarios import channel_file
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.interference import SPREADS, noise_variance

MATTERS = 0.01
"""Share of `no` from which late paths are worth a remark: estimates average noise."""
SCATTER = {
    "umi": lambda fc: 0.16 * math.log10(1 + fc) + 0.28,
    "uma": lambda fc: 0.39,
    "rma": lambda fc: 0.48,
}
"""Standard deviation of the logarithm whose median is `SPREADS` (same table)."""
SPAN, LONGEST_SPAN, MODES = 6.4e-6, 12.8e-6, 320
"""Those of `receivers.estimation.delay_windows`."""


def late_remark(scenario: Any) -> str | None:
    """A sentence where energy beyond `latest_delay` limits estimates at some point."""
    if all(name.startswith("perfect-csi") for name in scenario.receivers):
        return None
    try:
        points = [scenario.at(point) for point in scenario.sweep.points]
        found = [(late_energy(at, latest_delay(at)), at) for at in points]
    except ScenarioError:  # results are shown where a file is not, too
        return None
    late, at = max(found, key=lambda each: each[0] / noise_variance(each[1]))
    if late <= MATTERS * noise_variance(at):
        return None
    return (
        f"Pilots tell delays up to {1e6 * latest_delay(at):.2g} microseconds: about "
        f"{10 * math.log10(late):.0f} dB of the signal comes later, which estimates "
        f"take for noise or for other delays where noise is "
        f"{10 * math.log10(noise_variance(at)):.0f} dB; more pilots "
        "(grid.pilot_spacing) may tell more."
    )


def latest_delay(at: Any) -> float:
    """Delay [s] up to which pilots tell paths apart, and `score` follows them."""
    grid, streams = at.grid, at.antennas.all_streams
    pilots = len(range(0, grid.effective_subcarriers // streams, grid.pilot_spacing))
    gap = streams * grid.pilot_spacing * grid.subcarrier_spacing
    span = min(np.clip(MODES / (pilots * gap), SPAN, LONGEST_SPAN), 1 / gap)
    return span - min(span, SPAN) / 16


def late_energy(at: Any, delay: float) -> float:
    """Share of the energy of paths later than a delay [s].

    Measured for a file or a site; of models that of exponential profiles, whose spreads
    in drops have a lognormal distribution.
    """
    channel = at.channel
    if channel.file is not None or channel.model == "site":
        return channel_file.responses_of(at).late(delay)
    if channel.model in ("awgn", "rayleigh"):
        return 0.0
    if channel.model not in SPREADS:
        return math.exp(-delay / channel.delay_spread)
    carrier = channel.carrier_frequency / 1e9
    z = np.linspace(-5, 5, 201)
    median, scatter = (f[channel.model](carrier) for f in (SPREADS, SCATTER))
    shares = np.exp(-delay / 10 ** (median + scatter * z))
    return float(np.average(shares, weights=np.exp(-(z**2) / 2)))
