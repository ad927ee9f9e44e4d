from pathlib import Path

import pytest


@pytest.fixture
def fake_link(monkeypatch):
    """The stand-in for `engine.batches`, importable in spawned processes too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import fake_link

    return fake_link
