from pathlib import Path

import pytest

from link_sim.engine import batches
from link_sim.scenarios.link import LinkScenario


@pytest.fixture
def fake_link(monkeypatch):
    """Links that draw counts instead of simulating; the module for other processes."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import fake_link

    monkeypatch.setattr(LinkScenario, "opens", "fake_link:FakeLink")
    batches._live.cache_clear()
    yield fake_link
    batches._live.cache_clear()
