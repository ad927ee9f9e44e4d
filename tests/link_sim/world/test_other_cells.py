import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.engine.batches import plain
from link_sim.engine.identity import folder_name
from link_sim.experiments.link import Link
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario, parse_scenario
from link_sim.world.time_channel import open_channel

pytestmark = pytest.mark.usefixtures("eager")

SMALL = [
    "antennas={transmit=1, streams=1, receive=4}",
    "channel.model=rayleigh",
    "code={bits_per_symbol=2, iterations=4}",
    "grid={fft_size=26, guard_carriers=[3, 2]}",
    "payload.source=random",
    "payload.num_images=4",
    "batch_size=4",
    "sweep.axis=esno_db",
]


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["channel.interferers=1"], "interferers go with a level"),
        (["channel.sir_db=0"], "interferers go with a level"),
        (["channel.interferers=[-3.0]"], "their number, not a list of levels: set"),
        (["channel={model='awgn', interferers=1, sir_db=0}"], "channel.interferers"),
    ],
)
def test_what_cannot_be_is_answered_in_one_sentence(overrides, said):
    with pytest.raises(ScenarioError, match=said):
        load_scenario("image", [*SMALL, *overrides])


def test_the_level_of_others_can_be_swept():
    """Without a value of its own: each point sets it."""
    sweep = "sweep={axis='channel.sir_db', points=[-3, 10], ebno_db=5.0}"
    settings = [*SMALL, "channel.model=rayleigh", "channel.interferers=2", sweep]
    scenario = load_scenario("image", settings)
    assert [scenario.at(p).channel.sir_db for p in scenario.sweep.points] == [-3, 10]
    assert parse_scenario(scenario.to_toml()) == scenario
    wider = load_scenario("image", [*settings, "sweep.points=[-9, -3, 10]"])
    assert folder_name(wider, scenario) == folder_name(scenario, scenario) == "image"
    with pytest.raises(ScenarioError, match="interferers go with a level"):
        load_scenario("image", [*settings, "channel.interferers=0"])


@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_energy_of_interference_is_that_of_the_level(domain):
    model = "rayleigh" if domain == "frequency" else "tdl-a"
    scenario = load_scenario(
        "image",
        [*SMALL, f"channel.model={model}", "grid.cyclic_prefix=20",
         f"channel.domain={domain}", "channel.interferers=2", "channel.sir_db=-3"],
    )  # fmt: skip
    channel, frames = open_channel(scenario), 300 if domain == "frequency" else 10
    config.seed = 1
    silent = tf.zeros([frames, 1, 1, 14, 26], tf.complex64)
    y, h = channel.send(silent)
    assert h.shape == (frames, 1, 4, 1, 1, 14, 26)
    used = [*range(3, 13), *range(14, 24)]
    energy = (np.abs(y.numpy()[..., 5, :]) ** 2)[..., used].mean(axis=(1, 2, 3))
    # 2 interferers and 4 antennas of exponential energy, times that of the symbols
    assert abs(energy.mean() / 10**0.3 - 1) < 4 * energy.std() / 10**0.3 / frames**0.5


def test_whitening_gains_where_interference_is_strong():
    names = ["perfect-csi", "ls"]
    settings = [*SMALL, "grid.fft_size=58", "channel.interferers=1"]
    link = Link(load_scenario("image", [*settings, "channel.sir_db=-10"]), names)
    config.seed = 1
    no = link.noise_variance(link.scenario.at(0.0))
    _, c, _, h, y = link.transmit(link.draw_images(6), no)
    for receiver in link.receivers:
        h_hat, err_var = receiver.estimate(y, no, h)
        level = no + 10  # what a receiver for white noise would know
        blind = receiver.detector.block(y, h_hat, err_var, level)
        blind, seeing = (
            np.mean(np.not_equal(llr > 0, c > 0))
            for llr in (
                link.transmitter.demodulate(blind),
                receiver.detect(y, h_hat, err_var, no),
            )
        )
        assert seeing < 0.5 * blind
    counts = plain(link.count(link.draw(link.scenario.at(0.0), 0)))
    assert "nmse" in counts["ls"]


def test_too_few_pilots_for_the_antennas_are_refused():
    pilots = "grid.pilot_symbols=[2]", "grid.pilot_spacing=8"
    few = [*SMALL, *pilots, "channel.interferers=1", "channel.sir_db=0"]
    with pytest.raises(ScenarioError, match="too few for the covariance of 4"):
        Link(load_scenario("image", few), ["ls"])
