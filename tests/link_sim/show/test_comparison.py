import json

import pytest
from typer.testing import CliRunner

from link_sim import cli
from link_sim.engine import versions
from link_sim.scenarios.loading import load_scenario
from link_sim.show.comparison import compare, read_results


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


def test_results_are_shown_and_kept_and_continued(tmp_path, capsys):
    scenario = load_scenario("smoke", sweep=[0, 5], stop={"max_batches": 3})
    names = list(scenario.receivers)[:2]
    compared = compare(scenario, names, out=tmp_path / "run", progress=True)
    assert "batch 6 of 6" in capsys.readouterr().out
    again = compare(scenario, names, out=tmp_path / "run", progress=True)
    assert "batch" not in capsys.readouterr().out.replace("batches", "")
    kept = read_results(tmp_path / "run")
    assert kept.rows() == again.rows() == compared.rows()
    assert (tmp_path / "run" / "summary.csv").is_file()
    table = kept.table("ber")
    assert list(table.index) == names and list(table.columns) == [0, 5]
    assert table.to_markdown().splitlines()[0] == "| BER | 0.0 | 5.0 |"
    assert "tabular" in table.to_latex() and names[0] in kept._repr_html_()
    assert kept.plot("psnr").get_xlabel() == "Eb/N0 [dB]"
    assert len(kept.strip().images) == 1
    assert kept.report().read_text().startswith("<!")
    assert set(kept.difference(*names)) == {0, 5}
    assert names[0] in repr(kept)


def test_what_was_not_compared_is_answered_in_one_sentence(tmp_path):
    compared = compare(load_scenario("smoke", sweep=[0], stop={"max_batches": 1}))
    with pytest.raises(ValueError, match="'nmae' was not measured: use one of ber"):
        compared.plot("nmae")
    with pytest.raises(ValueError, match="'lsq' was not compared: use one of"):
        compared.difference("lsq", "ls")
    with pytest.raises(ValueError, match="no folder was given"):
        compared.report()


def test_scenarios_are_shown_in_jupyter():
    assert "fft_size" in load_scenario("smoke")._repr_html_()
