"""What `link-sim bench` can measure: functions that return rows, one line each."""

import pkgutil
from collections.abc import Callable
from typing import NamedTuple


class Bench(NamedTuple):
    """A measurement: `module:name` in this package, and a line of description."""

    function: str
    summary: str

    def open(self) -> Callable[[], list[dict]]:
        """The function, which measures and returns rows."""
        return pkgutil.resolve_name(f"link_sim.bench.{self.function}")


BENCHES = {
    "link": Bench("link:bench_link", "ours against a stock Sionna script, by stages"),
    "modulations": Bench(
        "link:bench_modulations", "the same from SISO QPSK to 2x8 256-QAM"
    ),
    "comparison": Bench("scaling:bench_comparison", "four receivers against one"),
    "restorers": Bench("blocks:bench_restorers", "image restorers, by their steps"),
    "decoders": Bench("blocks:bench_decoders", "joint decoders against plain ones"),
    "detectors": Bench(
        "detectors:bench_detectors", "detectors against ep, 16 to 128 antennas"
    ),
    "precoders": Bench(
        "precoders:bench_precoders", "precoders against WMMSE, 75 to 200 users"
    ),
    "scaling": Bench("scaling:bench_scaling", "how time and memory grow, as exponents"),
}
"""Name -> bench; a new one is one entry here and its function."""
