import json

import pytest
from typer.testing import CliRunner

from link_sim import cli
from link_sim.scenarios.loading import load_scenario
from link_sim.world.hardware.summary import describe

GRID = "grid={fft_size=64, symbols=4, pilot_symbols=[1]}"


def test_a_deeper_back_off_is_cleaner_and_weaker():
    sweep = "sweep={axis='hardware.back_off_db', points=[0, 8], ebno_db=2}"
    settings = GRID, "hardware.amplifier=rapp", sweep
    scenario = load_scenario("hardware", settings)
    loud, quiet = (describe(scenario.at(back_off)) for back_off in (0, 8))
    for name in ("EVM sent", "output back-off", "ACLR"):
        assert (quiet[name] > loud[name]) == (name != "EVM sent")
    assert quiet["PAPR before"] == loud["PAPR before"]
    assert loud["PAPR sent"] < quiet["PAPR sent"] < quiet["PAPR before"]
    assert quiet["output back-off"] - loud["output back-off"] == pytest.approx(8, abs=2)
    assert "EVM received" not in loud


def test_the_floor_of_kappa_is_kappa():
    settings = GRID, "hardware={kappa_transmit=0.01, kappa_receive=0.001}"
    sweep = "sweep={axis='esno_db', points=[20]}"
    found = describe(load_scenario("image-awgn", [*settings, sweep]))
    assert found == pytest.approx({"EVM sent": -20, "EVM received": -30}, abs=1e-3)


def test_the_command_shows_a_row_a_point():
    sweep = "sweep={axis='hardware.back_off_db', points=[0, 3], ebno_db=2}"
    arguments = ["hardware", "hardware", "--set", GRID, "--set", sweep, "--json"]
    ended = CliRunner().invoke(cli.app, arguments)
    rows = json.loads(ended.stdout.splitlines()[-1])
    assert [row["point"] for row in rows] == [0, 3]
    assert rows[0]["EVM sent"] > rows[1]["EVM sent"]


def test_perfect_hardware_is_said():
    ended = CliRunner().invoke(cli.app, ["hardware", "image-awgn"])
    assert ended.exit_code == 2 and "perfect hardware" in ended.output.replace("\n", "")
