"""Wireless links with generative receivers: scenarios, comparisons, results.

>>> from link_sim import compare, load_scenario
>>> compare(load_scenario("smoke")).frame()
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from link_sim.engine.comparison import Comparison, compare, read_results
    from link_sim.experiments.link import Link
    from link_sim.scenarios.base import ScenarioError
    from link_sim.scenarios.loading import list_scenarios, load_scenario
    from link_sim.world.channel_files import save_channels

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
    "Comparison": "engine.comparison",
    "Link": "experiments.link",
    "ScenarioError": "scenarios.base",
    "compare": "engine.comparison",
    "list_scenarios": "scenarios.loading",
    "load_scenario": "scenarios.loading",
    "read_results": "engine.comparison",
    "save_channels": "world.channel_files",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for, and TensorFlow only with what needs it."""
    if name == "__version__":
        return metadata.version("link-sim")
    if name in _HOMES:
        return getattr(import_module(f"link_sim.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'link_sim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
