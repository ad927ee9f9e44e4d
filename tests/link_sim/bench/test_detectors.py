import pytest

from link_sim.bench import detectors

pytestmark = pytest.mark.usefixtures("eager")


def test_every_detector_is_measured_at_every_size(monkeypatch):
    monkeypatch.setattr(detectors, "ANTENNAS", (4, 8))
    monkeypatch.setattr(detectors, "VECTORS", 2)
    monkeypatch.setattr(detectors, "NAMES", ("lmmse", "ep"))
    rows = detectors.bench_detectors()
    assert [(row["antennas"], row["detector"]) for row in rows] == [
        (antennas, name) for antennas in (4, 8) for name in ("lmmse", "ep")
    ]
    for one, ten in zip(rows[::2], rows[1::2], strict=True):
        assert one["million_multiplications"] < ten["million_multiplications"]
        assert ten["times_faster"] == 1
        assert 0 < ten["fastest"] <= ten["milliseconds"] <= ten["slowest"]
