"""The resource grid that a scenario describes, and its pilots."""

import numpy as np
from sionna.phy.ofdm import PilotPattern, ResourceGrid

from link_sim.scenarios.sections import Grid


def resource_grid(grid: Grid, streams: int, pilots=None) -> ResourceGrid:
    """The grid of one transmitter with so many streams.

    pilots : a `TrainablePilots` in place of those drawn at random

    Raises `ValueError` for more phase pilots than a stream has subcarriers.
    """
    pattern = pilot_pattern(grid, streams)
    return ResourceGrid(
        num_ofdm_symbols=grid.symbols,
        fft_size=grid.fft_size,
        subcarrier_spacing=grid.subcarrier_spacing,
        num_tx=1,
        num_streams_per_tx=streams,
        cyclic_prefix_length=grid.cyclic_prefix,
        num_guard_carriers=grid.guard_carriers,
        dc_null=grid.dc_null,
        pilot_pattern=pattern if pilots is None else pilots.on(pattern),
    )


def sounding_grid(grid: Grid, streams: int, pilots=None) -> ResourceGrid:
    """The same with the pilots alone by which channels are estimated."""
    alone = grid.model_copy(update={"phase_pilots": None})
    return resource_grid(alone, streams, pilots)


def pilot_pattern(grid: Grid, streams: int) -> PilotPattern:
    """Pilots of streams on subcarriers in turn, as Sionna's Kronecker pattern has them.

    QPSK at random, of energy `streams` each, so that a symbol full of pilots has the
    energy of one full of data.
    """
    carriers = grid.effective_subcarriers
    own = np.arange(0, carriers // streams, grid.pilot_spacing) * streams
    mask = np.zeros((streams, grid.symbols, carriers), bool)
    where = np.ix_(grid.pilot_symbols, (own[:, None] + np.arange(streams)).reshape(-1))
    mask[:, *where] = True
    mask[:, *_phase_places(grid, streams)] = True
    rng, shape = np.random.default_rng(1), (len(grid.pilot_symbols), len(own))
    sent = np.zeros(mask.shape, "complex64")
    for stream in range(streams):
        turns = rng.integers(0, 4, shape) / 4 + 1 / 8
        at = np.ix_(grid.pilot_symbols, own + stream)
        sent[stream][at] = np.sqrt(streams) * np.exp(2j * np.pi * turns)
    times, places = _phase_places(grid, streams)
    for stream in range(streams if places.size else 0):
        at = np.ix_(times[:, 0], places[0, stream::streams])
        turns = rng.integers(0, 4, sent[stream][at].shape) / 4 + 1 / 8
        sent[stream][at] = np.sqrt(streams) * np.exp(2j * np.pi * turns)
    return PilotPattern(mask[None], sent[mask].reshape(1, streams, -1))


def _phase_places(grid: Grid, streams: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols [times, 1] and subcarriers [1, all streams'] of phase pilots.

    The streams' own stand side by side.
    """
    blocks, number = grid.effective_subcarriers // streams, grid.phase_pilots or 0
    if number > blocks:
        raise ValueError(
            f"grid.phase_pilots = {number} exceed the {blocks} subcarriers of a "
            "stream: lower them"
        )
    times = np.setdiff1d(np.arange(grid.symbols), grid.pilot_symbols)
    own = ((np.arange(number) + 0.5) * blocks / max(number, 1)).astype(int) * streams
    places = (own[:, None] + np.arange(streams)).reshape(1, -1)
    return times[:, None], places
