"""Feedback of channels: its scenarios, counts and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments import feedback
from link_sim.experiments.feedback import FeedbackOfChannels
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")

SCM = "batch_size=4", 'receivers=["rate-distortion", "genie", "transform"]'
SITE = "batch_size=4", "site.antennas=4", "site.subcarriers=8"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(feedback, "LEARNED", 20)


def values(metric, scenario, point):
    counts = run_batch(scenario.to_toml(), point, 0)["counts"]
    return {name: estimate(sums, metric).value for name, sums in counts.items()}


@pytest.mark.slow
def test_a_batch_is_the_same_again_and_bits_are_compared_on_the_same_channels():
    toml = load_scenario("feedback", SCM).to_toml()
    a, b, c = (run_batch(toml, bits, 0)["counts"] for bits in (64.0, 64.0, 256.0))
    assert a == b
    power = [each["genie"]["channel_power"] for each in (a, c)]
    assert power[0] == power[1]
    assert c["genie"]["channel_error"] < a["genie"]["channel_error"]


def test_counts_are_those_of_what_is_told():
    scenario = load_scenario("feedback", [*SCM, 'receivers=["genie"]']).at(64)
    experiment = FeedbackOfChannels(scenario)
    world = experiment.draw(scenario, 0)
    h, (h_hat, spent) = world.h, experiment.receive(world)["genie"]
    inner = np.abs(np.einsum("bac,bac->bc", h_hat.conj(), h))
    told, whole = (np.linalg.norm(x, axis=1) for x in (h_hat, h))
    assert spent.max() <= 64
    for metric, exact in (
        ("cosine", inner / told / whole),
        ("beam_rate", np.log2(1 + (inner / told) ** 2)),  # at 0 dB
        ("spent", spent),
        ("nmse", 10 * np.log10(np.sum(np.abs(h - h_hat) ** 2) / np.sum(whole**2))),
    ):
        found = values(metric, scenario, 64)["genie"]
        assert found == pytest.approx(np.mean(exact), rel=1e-4)


@pytest.mark.slow
def test_the_bound_is_ahead_of_the_codec_that_knows_as_much():
    found = values("nmse", load_scenario("feedback", SCM), 128)
    assert found["rate-distortion"] < found["genie"] < found["transform"] < 0


@pytest.mark.parametrize("diffuse", [0, 0.3])
@pytest.mark.slow
def test_users_of_a_site_are_told_by_paths_and_by_covariances(diffuse):
    names = 'receivers=["rate-distortion", "genie", "transform", "paths-2"]'
    scenario = load_scenario("feedback-site", [*SITE, names, f"site.diffuse={diffuse}"])
    found = values("nmse", scenario, 64)
    assert found["genie"] < found["transform"] < 0 and found["paths-2"] < 0


@pytest.mark.slow
def test_drops_of_umi_are_told_by_what_a_site_taught():
    names = 'receivers=["global", "transform", "mixture-2"]'
    known = "feedback={ensemble='umi', trained_on=['site'], bits=64}"
    scenario = load_scenario("feedback-site", [*SITE, names, known])
    assert max(values("nmse", scenario, 64).values()) < 0


@pytest.mark.parametrize(
    "settings, words",
    [
        (["sweep.points=[0]"], "feedback.bits = 0"),
        (["sweep.points=[0.5]"], "feedback.bits = 0.5"),
        (["sweep={axis='snr_db', points=[0]}"], "feedback.bits is not set"),
        (["site.antennas=8"], "the section site has no meaning"),
        (['receivers=["global"]'], "'global' knows UMi and a site"),
        (["feedback.ensemble=umi"], "rate-distortion knows each channel's covariance"),
        (["feedback.trained_on=['site']"], "trained_on has antennas of another kind"),
        (["feedback.trained_on=['scm', 'scm']"], "trained_on repeats a name"),
        (["stop.block_errors=3"], "stop.block_errors counts code blocks"),
    ],
)
def test_mistakes_are_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words) as caught:
        load_scenario("feedback", settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "receiver, bits, words",
    [
        ("mixture-20", 5, "'mixture-20' needs words of 6 bits, and feedback.bits is 5"),
        ("paths", 15, "'paths' needs words of 16 bits"),
        ("mixture-500", 64, "500 components"),
        ("jpeg", 64, "there is no 'jpeg'"),
    ],
)
def test_codecs_say_what_they_need(receiver, bits, words):
    settings = [*SITE, f'receivers=["{receiver}"]', f"sweep.points=[{bits}, 100]"]
    if receiver == "mixture-500":
        settings[:3] = ["feedback.ensemble=scm"]
    with pytest.raises(ScenarioError, match=words):
        FeedbackOfChannels(load_scenario("feedback-site", settings))
