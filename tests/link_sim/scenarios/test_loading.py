import numpy as np
import pytest

from link_sim.scenarios.loading import (
    ScenarioError,
    list_scenarios,
    load_scenario,
    parse_scenario,
)
from link_sim.scenarios.sections import Sweep


@pytest.mark.parametrize("name", list_scenarios())
def test_shipped_scenarios_survive_a_round_trip(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert parse_scenario(scenario.to_toml()) == scenario


def test_overrides_reach_nested_keys_and_may_be_plain_text():
    overrides = ["code.rate=0.25", "channel.model=cdl-b", "sweep.points=[1, 2]"]
    scenario = load_scenario("image", overrides)
    assert scenario.code.rate == 0.25
    assert scenario.channel.model == "cdl-b"
    assert scenario.sweep.points == (1.0, 2.0)


def test_a_file_of_the_user_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(load_scenario("smoke").to_toml())
    assert load_scenario(str(path)) == load_scenario("smoke")


@pytest.mark.parametrize(
    "override, named",
    [
        ("colour=1", "colour"),
        ("code.colour=1", "code.colour"),
        ("code.rate=0.95", "code.rate"),
        ("code.rate=nan", "code.rate"),
        ("code.bits_per_symbol=3", "code.bits_per_symbol"),
        ("antennas.streams=9", "streams = 9"),
        ("antennas.receive=7", "receive = 7 is odd"),
        ("grid.guard_carriers=[4, 4]", "antennas.streams = 2"),
        ("grid.guard_carriers=[90, 90]", "guard_carriers"),
        ("grid.pilot_symbols=[14]", "pilot_symbols"),
        ("grid.pilot_symbols=[]", "pilot_symbols"),
        ("channel.model=cir", "channel.file"),
        ("channel.file=x.npz", "channel.model=cir"),
        ("sweep.points=[]", "sweep.points"),
        ("sweep.points=[1, 1]", "points repeat"),
        ("sweep.points=[inf]", "sweep.points"),
        ("sweep.axis=num_steps", "esno_db"),
        ("sweep.esno_db=3", "esno_db"),
        ('receivers=["ls", "ls"]', "receivers"),
        ("payload=3", "payload"),
        ("payload.source.x=3", "payload.source"),
        ("seed=-1", "seed"),
        ("batch_size", "batch_size"),
    ],
)
def test_a_wrong_value_is_answered_in_one_sentence_that_names_it(override, named):
    with pytest.raises(ScenarioError) as error:
        load_scenario("image", [override])
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_scenario_is_answered_with_the_known_ones():
    with pytest.raises(ScenarioError, match="'imgae'.*image-awgn"):
        load_scenario("imgae")


@pytest.mark.parametrize("text", ["name = ", "name = 'x'", "\x00"])
def test_broken_text_is_answered_in_one_sentence(text):
    with pytest.raises(ScenarioError) as error:
        parse_scenario(text)
    assert "\n" not in str(error.value)


def test_python_has_its_own_lists_numbers_paths_and_names(tmp_path):
    path = tmp_path / "Mine.toml"
    path.write_text(load_scenario("smoke").to_toml())
    assert load_scenario(path) == load_scenario("SMOKE")
    scenario = load_scenario(
        "image",
        sweep=range(0, 6, 2),
        receivers=["ls", "score"],
        channel={"model": "CDL-C", "speed": np.float32(5)},
        grid={"guard_carriers": [6, 5], "pilot_symbols": np.array([2, 11])},
        batch_size=np.int64(8),
    )
    assert scenario.sweep.points == (0, 2, 4)
    assert scenario.receivers == ("ls", "score")
    assert scenario.channel.model == "cdl-c" and scenario.channel.speed == 5
    assert scenario.grid.guard_carriers == (6, 5)
    assert scenario.grid.pilot_symbols == (2, 11)
    assert parse_scenario(scenario.to_toml()) == scenario
    swept = load_scenario("image", sweep=np.arange(2.0), weights=None)
    assert swept.sweep.points == (0, 1)


@pytest.mark.parametrize("points", [[0, 4], (0, 4.0), range(0, 8, 4), np.array([0, 4])])
def test_sections_take_lists(points):
    assert Sweep(points=points).points == (0, 4)


@pytest.mark.parametrize(
    "values, named",
    [
        ({"sweep": "low"}, "sweep.points.0 = 'low'"),
        ({"channel": "CDL-C"}, "channel = 'CDL-C' is not possible"),
        ({"channel": {"modell": "cdl-c"}}, "'channel.modell' is unknown"),
        ({"sweep": []}, "sweep.points"),
        ({"batch_size": 2.5}, "batch_size = 2.5"),
        ({"colour": 1}, "'colour' is unknown"),
        ({"seed": object()}, "seed"),
    ],
)
def test_wrong_values_of_python_are_answered_in_one_sentence(values, named):
    with pytest.raises(ScenarioError) as error:
        load_scenario("image", **values)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_a_section_made_by_hand_is_refused_in_one_sentence():
    with pytest.raises(ScenarioError, match="^points = 'x' is not possible"):
        Sweep(points="x")
