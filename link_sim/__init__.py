"""Wireless links with generative receivers: scenarios, comparisons, results.

>>> from link_sim import compare, load_scenario
>>> compare(load_scenario("smoke")).frame()
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from link_sim.receivers.backends import check_backend, leave_out_onednn
from link_sim.receivers.quiet import silence_tensorflow
from link_sim.receivers.registration import register_once_keras_is_there

if TYPE_CHECKING:
    from link_sim.experiments.link import Link
    from link_sim.scenarios.base import ScenarioError
    from link_sim.scenarios.loading import list_scenarios, load_scenario
    from link_sim.show.comparison import Comparison, compare, read_results
    from link_sim.world.channel_files import save_channels

leave_out_onednn()
silence_tensorflow()
register_once_keras_is_there()

__all__ = [
    "Comparison",
    "Link",
    "ScenarioError",
    "__version__",
    "compare",
    "list_scenarios",
    "load_scenario",
    "read_results",
    "save_channels",
]
_HOMES = {
    "Comparison": "show.comparison",
    "Link": "experiments.link",
    "ScenarioError": "scenarios.base",
    "compare": "show.comparison",
    "list_scenarios": "scenarios.loading",
    "load_scenario": "scenarios.loading",
    "save_channels": "world.channel_files",
    "read_results": "show.comparison",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for, and TensorFlow only with what needs it."""
    if name == "__version__":
        return metadata.version("link-sim")
    if name in ("Link", "compare"):
        check_backend(name, _HOMES[name])
    if name in _HOMES:
        return getattr(import_module(f"link_sim.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'link_sim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
