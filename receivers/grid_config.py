"""Resource grids as plain dictionaries, so that layers bound to a grid can be saved."""

import numpy as np
from sionna.phy.ofdm import PilotPattern, ResourceGrid

OPTIONS = (
    "num_ofdm_symbols",
    "fft_size",
    "subcarrier_spacing",
    "num_tx",
    "num_streams_per_tx",
    "cyclic_prefix_length",
    "num_guard_carriers",
    "dc_null",
)


def learns(pattern) -> bool:
    """Whether pilots are weights: a `LearnedPattern` of `receivers.pilots`."""
    return getattr(pattern, "learns", False)


def grid_to_config(grid: ResourceGrid) -> dict:
    """What defines a grid, its pilots included, in types that JSON knows."""
    pattern = grid.pilot_pattern
    config = {name: np.asarray(getattr(grid, name)).tolist() for name in OPTIONS}
    mask, pilots = np.asarray(pattern.mask), np.asarray(pattern.pilots)
    return {**config, "mask": mask.tolist(), "pilots": array_to_config(pilots)}


def grid_from_config(config: dict) -> ResourceGrid:
    """The grid of `grid_to_config`."""
    pilots = array_from_config(config["pilots"]).astype("complex64")
    pattern = PilotPattern(np.array(config["mask"]), pilots, precision="single")
    options = {name: config[name] for name in OPTIONS}
    options["num_guard_carriers"] = tuple(options["num_guard_carriers"])
    return ResourceGrid(**options, pilot_pattern=pattern, precision="single")


def in_single_precision(grid: ResourceGrid) -> ResourceGrid:
    """The same grid with pilots in single precision, whatever Sionna is set to."""
    if learns(grid.pilot_pattern):
        return grid
    return grid_from_config(grid_to_config(grid))


def array_to_config(array: np.ndarray) -> list:
    """Real and imaginary part of a complex array, as nested lists."""
    return [array.real.tolist(), array.imag.tolist()]


def array_from_config(config: list) -> np.ndarray:
    """The array of `array_to_config`."""
    real, imag = np.array(config)
    return real + 1j * imag
