import json

import pytest
from typer.testing import CliRunner

from link_sim import cli
from link_sim.engine import versions
from link_sim.engine.comparison import compare
from link_sim.scenarios.loading import load_scenario


@pytest.fixture(autouse=True)
def stand_in(fake_link, monkeypatch):
    monkeypatch.setattr(versions, "of_today", lambda scenario: {})


def test_rows_are_those_of_the_command_line(tmp_path):
    settings = ["sweep.points=[0, 5]", "stop.block_errors=3"]
    rows = compare(load_scenario("smoke", settings)).rows()
    options = [word for setting in settings for word in ("--set", setting)]
    command = ["run", "smoke", *options, "--out", f"{tmp_path}"]
    run = CliRunner().invoke(cli.app, command)
    shown = CliRunner().invoke(cli.app, ["show", f"{tmp_path}", "--json"])
    assert run.exit_code == 0
    assert {row["point"] for row in rows} == {0, 5}
    assert json.loads(shown.stdout) == rows
