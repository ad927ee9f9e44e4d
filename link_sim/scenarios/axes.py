"""What a sweep can run over: an axis sets one key of a scenario at each point."""

from typing import NamedTuple


class Axis(NamedTuple):
    """An axis of a sweep.

    label: of the plots, with its unit. key: of the scenario that a point sets, dotted.
    rebuilds: whether what is built for one point does not serve the others.
    own_worlds: whether each point draws bits, channels and noise of its own; the points
    of other axes are compared in the same worlds.
    """

    label: str
    key: str
    rebuilds: bool = True
    own_worlds: bool = False


LEVELS = "ebno_db", "esno_db", "snr_db"
"""Names of a noise level [dB]."""
AXES = {
    "ebno_db": Axis("Eb/N0 [dB]", "sweep.ebno_db", False, True),
    "esno_db": Axis("Es/N0 [dB]", "sweep.esno_db", False, True),
    "snr_db": Axis("SNR per receive antenna [dB]", "sweep.snr_db", False, True),
    "num_steps": Axis("steps of the sampler", "sweep.num_steps"),
    "pilot_spacing": Axis(
        "spacing of a stream's pilots, in its subcarriers", "grid.pilot_spacing"
    ),
    "alpha": Axis(
        "pilots per transmit antenna or subcarrier", "estimation.alpha", False, True
    ),
    "slots_ahead": Axis("slots ahead", "prediction.ahead", False),
    "bits": Axis("feedback [bits]", "feedback.bits", False),
    "bandwidth_ratio": Axis(
        "bandwidth ratio k/n", "sweep.bandwidth_ratio", False, True
    ),
}
"""Axes with a short name; any other numeric key of a scenario is an axis too."""


def find_axis(name: str) -> Axis:
    """The axis with a short name, or the one of a key such as `channel.speed`."""
    return AXES.get(name) or Axis(name, name)


def axis_label(name: str) -> str:
    """The label of an axis, with its unit where it has a short name."""
    return find_axis(name).label


def point_value(axis: str, point: float) -> str:
    """A point as text; bandwidth ratios as fractions of 1 where that is 1 % exact."""
    share = round(min(1 / point, 1e9)) if axis == "bandwidth_ratio" else 0
    fraction = share and abs(share * point - 1) < 0.01
    return f"1/{share}" if fraction else f"{point:g}"
