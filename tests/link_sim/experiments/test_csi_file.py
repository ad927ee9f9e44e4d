"""Channel estimation by itself on channels of a user's file."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments.csi import Csi
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.flat_channels import held_out_examples
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel_files import save_channels
from link_sim.world.ensembles import fading

pytestmark = pytest.mark.usefixtures("eager")

EXAMPLES = 400


def exponential(size: int, correlation: float) -> np.ndarray:
    lags = np.subtract.outer(np.arange(size), np.arange(size))
    return correlation ** np.abs(lags) + 0j


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Gaussian channels of 4 x 3 antennas, with the covariances of their ends."""
    ends = (exponential(4, 0.9), exponential(3, 0.7))
    ends = tuple(np.broadcast_to(c, (EXAMPLES, *c.shape)) for c in ends)
    h = fading(np.random.default_rng(0), *ends)
    path = tmp_path_factory.mktemp("channels") / "h.npz"
    names = "receive_covariance", "transmit_covariance"
    arrays = dict(zip(names, ends, strict=True))
    np.savez(path, a=h[..., None, None], tau=np.zeros((EXAMPLES, 1)), **arrays)
    return path


def asked(file, *settings):
    settings = f"estimation.file={file}", "sweep.points=[10]", *settings
    return load_scenario("csi-scm", ["estimation.ensemble=file", *settings])


def test_estimators_on_a_file_are_right_and_see_no_example_that_they_learned_from(
    file,
):
    names = "genie", "lmmse", "ls", "score-adaptive"
    scenario = asked(file, "batch_size=80").model_copy(update={"receivers": names})
    counts = run_batch(scenario.to_toml(), 10.0, 0)["counts"]
    nmse = {name: estimate(counts[name], "nmse").value for name in names}
    # |error|^2 / no is a mean of 80 x 12 exponentials; |h|^2 is 1 within 10 %
    error = counts["ls"]["normalised_error"] / counts["ls"]["frames"]
    assert error == pytest.approx(1, abs=4 / 960**0.5)
    # 320 examples for 12 antenna pairs cost about 12 / 320 of the error
    assert nmse["genie"] < nmse["lmmse"] < nmse["genie"] + 0.5
    assert nmse["genie"] < nmse["score-adaptive"] < nmse["ls"] - 1
    drawn = Csi(asked(file, "receivers=['ls']")).draw(scenario.at(10.0), 0).h
    known = held_out_examples(scenario.estimation.file).h
    assert all(np.any(np.all(h == known, axis=(1, 2))) for h in drawn)
    assert len(known) == 80


@pytest.mark.slow
@pytest.mark.graphs
def test_with_all_pilots_one_evaluation_is_the_same_estimate(file):
    names = "score", "score-vamp", "score-adaptive"
    scenario = asked(file, "batch_size=20").model_copy(update={"receivers": names})
    counts = run_batch(scenario.to_toml(), 10.0, 0)["counts"]
    found = [estimate(counts[name], "nmse").value for name in names]
    np.testing.assert_allclose(found, found[-1], atol=0.01)


def test_a_sweep_of_alpha_has_random_pilots(file):
    swept = "sweep={axis='alpha', points=[0.4, 1], snr_db=10}"
    scenario = asked(file, "receivers=['ls']", swept, "batch_size=3")
    assert Csi(scenario).draw(scenario.at(0.4), 0).pilots.shape == (3, 3, 1)
    pilots = Csi(scenario).draw(scenario.at(1.0), 0).pilots
    assert not np.allclose(pilots[0], pilots[1])


@pytest.mark.parametrize(
    "shape, settings, words",
    [
        ((2, 2), ["receivers=['bussgang']"], "or leave them out"),
        ((2, 2), ["receivers=['score']", "estimation.alpha=0.5"], "score-adaptive"),
        ((2, 2), ["receivers=['genie']", "estimation.alpha=0.5"], "orthogonal pilots"),
        ((33, 2), ["receivers=['score-adaptive']"], "up to 128 x 32 antennas"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(tmp_path, shape, settings, words):
    h = np.random.default_rng(0).standard_normal((10, *shape, 1)) + 0j
    save_channels(tmp_path / "h.npz", h, np.zeros((10, 1)))
    with pytest.raises(ScenarioError, match=words):
        Csi(asked(tmp_path / "h.npz", *settings))
