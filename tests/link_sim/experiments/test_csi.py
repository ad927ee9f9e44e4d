"""Channel estimation by itself: its scenarios, counts and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments import csi
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.world.ensembles import (
    ENSEMBLES,
    average_scm_covariances,
    chirped,
    draw_clusters,
    fading,
    scm_covariances,
)

pytestmark = pytest.mark.usefixtures("eager")


def small(*settings):
    return load_scenario(
        "csi-scm", ["batch_size=40", "sweep.points=[0, 20]", *settings]
    )


def test_a_batch_is_the_same_again_and_another_is_not():
    toml = small('receivers=["ls", "genie"]').to_toml()
    a, b, c = (run_batch(toml, 20.0, i)["counts"] for i in (0, 0, 1))
    assert a == b and a["ls"] != c["ls"]


def test_least_squares_has_the_error_of_the_noise_and_the_genie_less():
    counts = run_batch(small('receivers=["ls", "genie"]').to_toml(), 20.0, 0)
    ls, genie = (counts["counts"][name] for name in ("ls", "genie"))
    # |error|^2 / no is a mean of 40 x 1024 exponentials; |h|^2 is 1 within 5 %
    assert ls["normalised_error"] / ls["frames"] == pytest.approx(1, abs=4 / 40960**0.5)
    assert estimate(ls, "nmse").value == pytest.approx(-20, abs=0.5)
    assert estimate(genie, "nmse").high < -23
    calibration = estimate(genie, "calibration")
    assert abs(calibration.value - 1) < 2 * (calibration.high - calibration.value)


def test_estimators_behind_converters_ask_for_these():
    with pytest.raises(ScenarioError, match=r"set estimation\.converter_bits"):
        csi.Csi(small('receivers=["bussgang"]'))


def test_pilots_of_a_chirp_see_all_angles_and_are_orthogonal():
    beams = ENSEMBLES["scm"].pilots(None, 1, 1.0)
    pilots = chirped(beams)[0]
    assert np.allclose(pilots @ pilots.conj().T, np.eye(16), atol=1e-6)
    energies = [np.abs(np.fft.fft(p, 16, axis=0)) ** 2 / 16 for p in (beams[0], pilots)]
    assert np.allclose(energies[1], 1 / 16, atol=1e-6)  # of 16 directions, each alike
    assert energies[0].max() > 0.99


def test_the_average_covariance_is_that_of_many_channels():
    rng = np.random.default_rng(0)
    for mean, drawn in zip(
        average_scm_covariances(), scm_covariances(rng, 400), strict=True
    ):
        lags = drawn[:, :, 0]  # of Hermitian Toeplitz matrices; the first is 1
        error = np.abs(lags.mean(axis=0) - mean[:, 0])
        assert np.all(error < 5 * lags.std(axis=0) / 400**0.5 + 1e-9)


@pytest.mark.slow
@pytest.mark.graphs
def test_one_evaluation_is_close_to_the_genie():
    scenario = small('receivers=["genie", "score"]', "batch_size=60")
    for point, bar in ((0.0, 0.4), (20.0, 0.2)):  # dB; 0.21 and 0.05 on 500 channels
        counts = run_batch(scenario.to_toml(), point, 0)["counts"]
        genie, score = (estimate(counts[n], "nmse").value for n in ("genie", "score"))
        assert 0 < score - genie < bar


def test_ensembles_have_unit_power():
    rng = np.random.default_rng(0)
    for h in (fading(rng, *scm_covariances(rng, 400)), draw_clusters(rng, 400)):
        power = np.mean(np.abs(h) ** 2, axis=(1, 2))
        assert abs(power.mean() - 1) < 4 * power.std() / 20


@pytest.mark.parametrize(
    "settings, words",
    [
        (["estimation.alpha=0.5"], "orthogonal pilots"),
        (["estimation.converter_bits=0"], "greater than or equal to 1"),
        (
            ["estimation={ensemble='cdl-a', trained_on=['cdl-a'], chirped=true}"],
            "chirped goes with ensemble = 'scm' alone",
        ),
        (["estimation.trained_on=['cdl-a']"], "another kind"),
        (["sweep.axis=alpha", "sweep.points=[1]"], "needs one fixed snr_db"),
        (["stop.relative_width=0.1"], "stop.relative_width is that of code blocks"),
        (["estimation.trained_on=['scm', 'scm']"], "trained_on repeats a name"),
    ],
)
def test_bad_input_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        small(*settings)


def test_at_least_one_pilot_is_sent():
    sweep = "sweep={axis='alpha', points=[1, 0.01], snr_db=0}"
    for wrong in ("estimation.alpha=0.01", sweep):
        with pytest.raises(ScenarioError, match="alpha = 0.01 leaves no pilot"):
            load_scenario("csi-cdl", [wrong])
    pilots = ENSEMBLES["cdl-c"].pilots(np.random.default_rng(0), 2, 0.016)
    assert pilots.shape == (2, 64, 1)


def test_orthogonal_pilots_are_asked_for():
    with pytest.raises(ScenarioError, match="use score-vamp"):
        csi.Csi(load_scenario("csi-cdl", ["receivers=['score-tweedie']"]))


def quantised(*settings):
    return load_scenario("csi-quantised", ["sweep.points=[10]", *settings])


def test_coarse_converters_cost_what_the_receivers_know_of_them():
    names = 'receivers=["ep-genie", "bussgang-genie", "bussgang", "ls"]'
    found = []
    for bits in (1, 3):
        scenario = quantised(
            names, "batch_size=20", f"estimation.converter_bits={bits}"
        )
        counts = run_batch(scenario.to_toml(), 10.0, 0)["counts"]
        found.append([estimate(each, "nmse").value for each in counts.values()])
    for each in found:
        assert each == sorted(each)  # ep-genie, bussgang-genie, bussgang, ls
    gaps = [each[2] - each[0] for each in found]
    assert gaps[0] > 4.5 and gaps[1] > 5  # dB; 5.4 and 6.1 on 40 channels


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("bits, bar", [(1, 4.5), (2, 5), (3, 5)])
def test_the_prior_is_close_to_the_genie_behind_converters(bits, bar):
    names = 'receivers=["ep-genie", "ep-score", "bussgang-score", "bussgang"]'
    for point, wrong in ((10.0, 0.5), (20.0, 1.0)):  # dB that the variance may err by
        scenario = quantised(names, f"estimation.converter_bits={bits}")
        counts = run_batch(scenario.to_toml(), point, 0)["counts"]
        bound, ours, white, linear = (
            estimate(each, "nmse").value for each in counts.values()
        )
        assert ours < white and ours - bound < (0.4 if point == 10 else 0.8)
        stated = estimate(counts["ep-score"], "calibration").value
        assert abs(10 * np.log10(stated)) < wrong
        if point == 10:
            assert linear - ours > bar


@pytest.mark.slow
@pytest.mark.graphs
def test_prior_of_cdl_reaches_the_lmmse_estimate_and_has_no_floor_elsewhere(
    monkeypatch,
):
    """The bars of 0.3 dB in distribution, and of sparse recovery out of it."""
    monkeypatch.setattr(csi, "TRAINING_CHANNELS", 4000)
    settings = ["batch_size=20", "sweep.points=[10, 30]"]
    scenario = load_scenario("csi-cdl", [*settings, 'receivers=["lmmse", "score"]'])
    for point in (10.0, 30.0):
        counts = run_batch(scenario.to_toml(), point, 0)["counts"]
        bound, ours = (estimate(counts[n], "nmse").value for n in ("lmmse", "score"))
        assert ours - bound < 0.3
    settings.append("estimation.ensemble=cdl-a")
    scenario = load_scenario("csi-cdl", [*settings, 'receivers=["sparse", "score"]'])
    counts = run_batch(scenario.to_toml(), 30.0, 0)["counts"]
    sparse, ours = (estimate(counts[n], "nmse").value for n in ("sparse", "score"))
    assert ours < min(sparse + 3, -22)
