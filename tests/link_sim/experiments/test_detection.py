"""Detection by itself: its scenarios, counts and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments.detection import Detection
from link_sim.metrics.rates import estimate
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")


def small(*settings, name="detection"):
    mimo = "mimo={antennas=8, load=0.5, bits_per_symbol=2}"
    rest = ["batch_size=200", "receivers=['lmmse', 'ep']", *settings]
    return load_scenario(name, [mimo, "sweep.points=[6, 30]", *rest])


def test_a_batch_is_the_same_again_and_another_is_not():
    toml = small().to_toml()
    a, b, c = (run_batch(toml, 6.0, i)["counts"] for i in (0, 0, 1))
    assert a == b and a["ep"] != c["ep"]


def test_counts_are_those_of_vectors_symbols_and_bits():
    counts = run_batch(small().to_toml(), 6.0, 0)["counts"]
    for found in counts.values():
        assert (found["vectors"], found["symbols"], found["bits"]) == (200, 800, 1600)
        assert found["vector_errors"] <= found["symbol_errors"] <= found["bit_errors"]
        assert estimate(found, "information").value <= 2
    assert all(
        estimate(counts[name], "multiplications").value
        == EPDetector(2, n).multiplications(8, 4) / 1e6
        for name, n in (("lmmse", 1), ("ep", 10))
    )
    assert counts["ep"]["bit_errors"] < counts["lmmse"]["bit_errors"]


def test_llrs_of_one_stream_state_their_errors():
    """200 vectors of 2 bits: the ratio is 1 within the interval it states, doubled."""
    scenario = small("mimo.load=0.125", "sweep.points=[-6]", "batch_size=2000")
    counts = run_batch(scenario.to_toml(), -6.0, 0)["counts"]["lmmse"]
    found = estimate(counts, "stated_errors")
    assert abs(found.value - 1) < 2 * (found.high - found.value)
    plain, scaled = (estimate(counts, f"information{s}") for s in ("", "_scaled"))
    assert plain.value <= scaled.value < plain.value + 0.01


def test_without_noise_there_are_no_errors_but_full_information():
    counts = run_batch(small().to_toml(), 30.0, 0)["counts"]["ep"]
    assert counts["symbol_errors"] == counts["vector_errors"] == 0
    assert estimate(counts, "information").value == pytest.approx(2, abs=1e-3)


def test_a_sweep_over_antennas_keeps_the_load():
    scenario = load_scenario("detection-sizes")
    sizes = [(at.mimo.antennas, at.mimo.streams) for at in map(scenario.at, (16, 128))]
    assert sizes == [(16, 12), (128, 96)]


@pytest.mark.parametrize(
    "settings, words",
    [
        (["mimo.load=2", "receivers=['amp']"], "16 streams and 8 antennas: use ep"),
        (["mimo.bits_per_symbol=8", "receivers=['amp-gnn']"], "no weights for 8 bits"),
        (["receivers=['k-best']"], "there is no 'k-best': use one of lmmse"),
        (["mimo.correlation=1"], "mimo.correlation"),
        (["mimo.bits_per_symbol=3"], "mimo.bits_per_symbol"),
        (["stop.block_errors=5"], "stop.block_errors counts code blocks"),
    ],
)
def test_bad_input_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        Detection(small(*settings))


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("bits, snr_db", [(2, 9.0), (4, 16.5)])
def test_learned_messages_reach_expectation_propagation(bits, snr_db):
    """With its second try, never above EP by more than chance, on unseen sizes."""
    settings = [f"mimo.bits_per_symbol={bits}", f"sweep.points=[{snr_db}]"]
    settings += ["receivers=['amp', 'ep', 'amp-gnn']", "batch_size=2000"]
    counts = run_batch(load_scenario("detection", settings).to_toml(), snr_db, 0)
    amp, ep, ours = (counts["counts"][n] for n in ("amp", "ep", "amp-gnn"))
    spread = 3 * np.sqrt(ep["symbol_errors_sq"])
    assert ours["symbol_errors"] < ep["symbol_errors"] + spread
    assert ours["symbol_errors"] < amp["symbol_errors"]
