import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import link_sim
from link_sim import cli
from link_sim.bench.table import BENCHES
from link_sim.cli import terminal
from link_sim.engine import montecarlo, results, versions
from link_sim.recipes.table import RECIPES, Recipe
from link_sim.show import plots

KEYS = "scenario receiver axis point metric value low high count".split()


@pytest.fixture
def draw(monkeypatch, fake_link, tmp_path):
    """Calls the command line in an empty folder, with the stand-in link."""
    monkeypatch.setattr(versions, "of_today", lambda scenario: {})
    monkeypatch.setattr(terminal, "load_tensorflow", lambda console: None)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli.app, arguments)


@pytest.fixture
def invoke(draw, monkeypatch):
    """The same without plots, which take longer than all else."""

    def save_strip(folder, pictures, axis, form):
        (folder / f"strip.{form}").touch()

    monkeypatch.setattr(plots, "save_plots", lambda *_: None)
    monkeypatch.setattr(plots, "save_strip", save_strip)
    return draw


def refuse(result, *words, status=2):
    """Asserts that the answer was one sentence with these words."""
    assert result.exit_code == status, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("link-sim: ")
    for word in words:
        assert word in result.stderr


def test_run_writes_the_folder_and_says_where(draw):
    result = draw("run", "smoke")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == "Results: results/smoke"
    assert any(line.startswith("batch 4 of 4, ebno_db = 6: BER") for line in lines)
    files = {path.name for path in Path("results/smoke").iterdir()}
    assert files == {
        *("scenario.toml", "counts.jsonl", "versions.json", "summary.csv", ".lock"),
        *("ber.png", "bler.png", "psnr.png", "nmse.png", "strip.png", "strip.npz"),
    }


def test_list_names_all_that_can_be_trained():
    shown = CliRunner().invoke(cli.app, ["list"]).stdout
    assert {line.split()[0] for line in shown.splitlines()} > RECIPES.keys()


def test_a_second_run_repeats_nothing(invoke, monkeypatch, fake_link):
    first = invoke("run", "smoke")
    monkeypatch.delattr(fake_link.FakeLink, "draw")
    second = invoke("run", "smoke")
    assert second.exit_code == 0
    assert first.stdout.endswith(second.stdout)


def test_show_json_prints_the_rows(invoke):
    invoke("run", "smoke", "--out", "here")
    result = invoke("show", "here", "--json")
    assert result.exit_code == 0
    table = json.loads(result.stdout)
    assert all(list(row) == KEYS for row in table)
    scenario, lines = results.load_results(Path("here"))
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop, lines)
    assert table == results.rows(scenario, tallies)


def test_show_draws_again(draw):
    draw("run", "smoke", "--out", "here")
    Path("here/ber.png").unlink()
    result = draw("show", "here")
    assert result.exit_code == 0
    assert "perfect-csi" in result.stdout
    assert Path("here/ber.png").exists()


REFERENCE = """\
receiver,metric,point,value
published,bler,2,0.5
published,bler,6,0.25
"""


def test_several_folders_and_a_reference_in_one_table_and_plot(draw):
    draw("run", "smoke", "--out", "one", "--receivers", "ls")
    draw("run", "smoke", "--out", "two", "--set", "seed=9", "--receivers", "ls")
    Path("paper.csv").write_text(REFERENCE)
    result = draw("show", "one", "two", "--reference", "paper.csv")
    assert result.exit_code == 0, result.output
    for name in ("ls (one)", "ls (two)", "published  0.500  0.250"):
        assert name in result.stdout
    assert {path.name for path in Path("one+two").iterdir()} >= {"bler.png", "ber.png"}
    shown = ("show", "one", "--reference", "paper.csv", "--json", "--out", "both")
    rows = json.loads(draw(*shown).stdout)
    assert {row["receiver"] for row in rows} == {"ls", "published"}
    assert [row["value"] for row in rows if row["receiver"] == "published"] == [
        0.5, 0.25,
    ]  # fmt: skip
    own = draw("show", "one", "--reference", "one/summary.csv", "--json")
    assert {row["scenario"] for row in json.loads(own.stdout)} == {"smoke", "summary"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", ("no column point and value", "receiver, metric")),
        ("point,value\n", ("no column",)),
        ("point,value\n1,x\n", ("line 2", "value 'x'", "finite number")),
        ("point,value,metric\n1,2,berr\n", ("line 2", "'berr'", "ber, bler")),
        ("point,value,low\n1,2,nan\n", ("line 2", "low 'nan'")),
    ],
)
def test_references_that_are_none(invoke, text, words):
    invoke("run", "smoke", "--out", "one", "--receivers", "ls")
    Path("paper.csv").write_text(text)
    refuse(invoke("show", "one", "--reference", "paper.csv"), "paper.csv", *words)


def test_what_does_not_go_together_is_refused(invoke):
    invoke("run", "smoke", "--out", "one", "--receivers", "ls")
    axis = ("--set", "sweep.axis=esno_db", "--set", "sweep.points=[1]")
    invoke("run", "smoke", "--out", "two", "--receivers", "ls", *axis)
    refuse(invoke("show", "one", "two"), "sweeps over esno_db", "the same axis")
    refuse(invoke("show", "one", "two", "--html"), "--html", "one folder")
    both = "--json", "--table", "latex"
    refuse(invoke("show", "one", *both), "--json and --table", "leave one")
    refuse(invoke("show", "one", "--reference", "none.csv"), "none.csv is unreadable")


def test_tables_for_papers_and_programs(invoke):
    invoke("run", "smoke", "--out", "here")
    rows = json.loads(invoke("show", "here", "--json").stdout)
    ber = {(r["receiver"], r["point"]): r for r in rows if r["metric"] == "ber"}
    latex = invoke("show", "here", "--table", "latex", "--intervals").stdout
    assert latex.count("\\begin{tabular}{lrr}") == latex.count("\\end{tabular}") > 2
    assert "perfect-csi & $" in latex
    markdown = invoke("show", "here", "--table", "markdown").stdout
    assert "| BER over Eb/N0 [dB] | 2 | 6 |\n| --- | --- | --- |" in markdown
    matlab = invoke("show", "here", "--table", "matlab").stdout.splitlines()
    assert "ber.points = [2.0 6.0];" in matlab
    values = next(line for line in matlab if line.startswith("ber.value"))
    first = values.split("[[")[1].split("]")[0].split()
    assert [float(x) for x in first] == [ber["perfect-csi", p]["value"] for p in (2, 6)]


def test_a_sweep_that_ends_early_says_so(invoke):
    target = ("--set", "stop.target_bler=0.5", "--set", "sweep.points=[2, 60, 70]")
    result = invoke("run", "smoke", *target)
    assert result.exit_code == 0, result.output
    assert "the sweep ends at Eb/N0 [dB] = 60, where stop.target" in result.stdout
    assert len(results.load_results(Path("results/smoke"))[1]) == 4


def test_formats_and_report(draw):
    assert draw("run", "smoke", "--out", "here", "--format", "pdf").exit_code == 0
    plots = {path.name for path in Path("here").glob("*.p*")}
    assert plots == {f"{x}.pdf" for x in ("ber", "bler", "psnr", "nmse", "strip")} | {
        "strip.png"
    }
    result = draw("show", "here", "--html", "--format", "svg")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Report: here/report.html"
    assert Path("here/report.html").exists() and Path("here/ber.svg").exists()
    assert Path("here/strip.svg").exists()


def test_json_and_report_together(invoke):
    invoke("run", "smoke", "--out", "here")
    result = invoke("show", "here", "--json", "--html")
    assert result.stdout == invoke("show", "here", "--json").stdout
    assert Path("here/report.html").exists()


def test_settings_and_receivers(invoke):
    chosen = ("--receivers", "ls, lmmse", "--set", "sweep.points=[1]")
    assert invoke("run", "smoke", *chosen).exit_code == 0
    scenario, lines = results.load_results(Path("results/smoke"))
    assert scenario.receivers == ("ls", "lmmse")
    assert scenario.sweep.points == (1.0,)
    assert list(lines[0]["counts"]) == ["ls", "lmmse"]


def test_a_receiver_that_is_not_finite_is_reported(invoke, monkeypatch, fake_link):
    def count(link, world, original=fake_link.FakeLink.count):
        counts = original(link, world)
        counts["ls"]["nmse"] = float("nan")
        return counts

    monkeypatch.setattr(fake_link.FakeLink, "count", count)
    result = invoke("run", "smoke")
    assert result.exit_code == 0
    assert "ls is left out at Eb/N0 [dB] = 2" in result.stdout


def test_a_batch_received_in_parts_is_reported_once(invoke, monkeypatch, fake_link):
    tried = []

    def count(link, world, original=fake_link.FakeLink.count):
        tried.append(world)
        if len(tried) < 2:
            raise MemoryError
        return original(link, world)

    monkeypatch.setattr(fake_link.FakeLink, "count", count)
    result = invoke("run", "smoke")
    assert result.exit_code == 0
    assert result.stdout.count("going on with 2 at a time") == 1
    assert results.load_results(Path("results/smoke"))[1][0]["frames_at_once"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "smok"), ("'smok'", "smoke")),
        (("run", "smoke", "--set", "code.rat=0.5"), ("code.rat",)),
        (("run", "smoke", "--set", "code.rate=0.95"), ("code.rate", "0.95")),
        (("run", "smoke", "--set", "payload.source=no.npz"), ("no.npz", "not a file")),
        (("run", "smoke", "--executor", "gpu"), ("--executor gpu", "processes:N")),
        (("show", "nowhere"), ("nowhere", "is not a results folder")),
        (("show", "nowhere", "--json"), ("nowhere", "is not a results folder")),
    ],
)
def test_bad_input_is_answered_in_one_sentence(invoke, arguments, words):
    refuse(invoke(*arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--foo", "no such option: --foo; see link-sim --help"),
        ("rum", "no such command 'rum'; see link-sim --help"),
        ("bench --foo", "no such option: --foo; see link-sim bench --help"),
        ("run a b", "got unexpected extra argument(s) (b); see link-sim run --help"),
        ("run --out", "option '--out' requires an argument; see link-sim run --help"),
        ("merge here", "missing option '--out'; see link-sim merge --help"),
        ("train", "missing argument 'weights'; see link-sim train --help"),
        (
            "show here --format gif",
            "invalid value for '--format': 'gif' is not one of 'png', 'pdf', 'svg'; "
            "see link-sim show --help",
        ),
    ],
)
def test_wrong_usage_is_answered_in_one_sentence(invoke, arguments, sentence):
    result = invoke(*arguments.split())
    assert result.exit_code == 2
    assert result.stderr == f"link-sim: {sentence}\n"
    assert result.stdout == ""


def test_no_arguments_show_the_help(invoke):
    result = invoke()
    assert "Usage: " in result.stdout and result.stderr == ""


def test_a_folder_of_another_scenario(invoke):
    invoke("run", "smoke", "--out", "here")
    other = ("run", "smoke", "--set", "seed=9")
    refuse(invoke(*other, "--out", "here"), "seed = 1 instead of 9", "--out")
    assert invoke(*other).stdout.endswith("Results: results/smoke-seed-9\n")


def test_receivers_are_added_to_a_folder_and_shown_apart(draw, monkeypatch):
    monkeypatch.setattr(plots, "save_plots", lambda *_: None)
    draw("run", "smoke", "--receivers", "perfect-csi")
    strip = Path("results/smoke/strip.png")
    one_row = strip.stat().st_size
    result = draw("run", "smoke", "--receivers", "ls")
    assert result.exit_code == 0, result.output
    assert strip.stat().st_size > one_row
    size = Path("results/smoke/counts.jsonl").stat().st_size
    both = draw("show", "results/smoke")
    assert {"perfect-csi", "ls"} <= set(both.stdout.split())
    again = draw("run", "smoke", "--receivers", "perfect-csi,ls")
    assert again.stdout.startswith(both.stdout)
    assert Path("results/smoke/counts.jsonl").stat().st_size == size
    one = draw("show", "results/smoke", "--receivers", "ls")
    assert "perfect-csi" not in one.stdout and "2 batches" in one.stdout
    refuse(draw("show", "results/smoke", "--receivers", "lx"), "lx", "perfect-csi")


def test_a_folder_that_cannot_be_made(invoke):
    Path("file").touch()
    refuse(
        invoke("run", "smoke", "--out", "file/below"), "file/below", "another folder"
    )
    refuse(invoke("run", "smoke", "--out", "file"), "file", "another folder")


def test_a_full_disk(invoke, monkeypatch):
    def append(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results.Results, "append", append)
    refuse(invoke("run", "smoke"), "disk is full", "free some space")


def test_a_link_that_cannot_be_built(invoke, monkeypatch, fake_link):
    def build(*_):
        raise ValueError("receivers: 'lx' is unknown:\nuse ls")

    monkeypatch.setattr(fake_link.FakeLink, "__init__", build)
    refuse(invoke("run", "smoke"), "receivers: 'lx' is unknown: use ls")


def test_shards_add_up_to_the_whole_run(invoke):
    run = ("run", "smoke", "--set", "stop.max_batches=5")
    invoke(*run, "--out", "whole")
    parts = [f"results/smoke-{i}-of-3" for i in (1, 2, 3)]
    for i in (3, 1, 2):
        assert invoke(*run, "--shard", f"{i}/3").exit_code == 0
    batches = [json.loads(x)["batch"] for x in open(f"{parts[1]}/counts.jsonl")]
    assert sorted(batches) == [1, 1, 4, 4]
    result = invoke("merge", *parts, "--out", "sum")
    assert result.exit_code == 0, result.output
    whole, total = (Path(name, "summary.csv").read_text() for name in ("whole", "sum"))
    assert total == whole
    again = invoke("merge", *parts, "whole", "--out", "sum")
    assert again.exit_code == 0 and again.stdout == result.stdout


@pytest.mark.parametrize(
    ("shard", "shown", "waiting"), [("1/3", 2, 2), ("2/3", 0, 4), ("3/3", 0, 2)]
)
def test_show_says_that_the_batches_of_a_shard_wait(invoke, shard, shown, waiting):
    run = ("run", "smoke", "--set", "stop.max_batches=5", "--out", "part")
    invoke(*run, "--shard", shard)
    table, rows = invoke("show", "part"), invoke("show", "part", "--json")
    assert ("smoke: 1 batch of" in table.stdout) == bool(shown)
    assert bool(json.loads(rows.stdout)) == bool(shown)
    for text in (table.stdout, rows.stderr):
        assert f"{waiting} batches are not shown, as earlier ones" in text
        assert "link-sim merge" in text
    invoke(*run)
    assert "not shown" not in invoke("show", "part").stdout
    assert invoke("show", "part", "--json").stderr == ""


def test_a_shard_continues(invoke, monkeypatch, fake_link):
    run = ("run", "smoke", "--shard", "2/2", "--set", "stop.max_batches=3")
    invoke(*run)
    monkeypatch.delattr(fake_link.FakeLink, "draw")
    assert invoke(*run).exit_code == 0


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "-1/2"])
def test_a_shard_that_is_not_known(invoke, shard):
    refuse(invoke("run", "smoke", f"--shard={shard}"), f"--shard {shard}", "1/4")


def test_more_shards_than_batches(invoke):
    refuse(invoke("run", "smoke", "--shard", "3/3"), "3/3", "at most 2 shards")


def test_merge_refuses_what_does_not_belong_together(invoke):
    invoke("run", "smoke", "--out", "one")
    invoke("run", "smoke", "--out", "two", "--set", "seed=9")
    refuse(invoke("merge", "one", "two", "--out", "sum"), "two", "seed = 9", "leave it")
    refuse(invoke("merge", "one", "none", "--out", "sum"), "none", "not a results")
    path = Path("one/counts.jsonl")
    lines = [json.loads(line) for line in path.open()]
    lines[0]["counts"]["ls"]["bit_errors"] += 3
    del lines[0]["crc32"]
    invoke("run", "smoke", "--out", "three")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    refuse(invoke("merge", "three", "one", "--out", "sum"), "one", "other counts")
    assert not Path("sum").exists()


def test_train_runs_a_recipe_with_its_settings(invoke, monkeypatch):
    calls = []

    def recipe(folder, steps=1, dataset="mnist", channels: Path | None = None):
        calls.append((folder, steps, dataset, channels))

    monkeypatch.setattr(Recipe, "open", lambda _: recipe)
    assert invoke("train", "ddpm", "--set", "steps=5").exit_code == 0
    settings = "--set", "steps=2", "--set", "channels=a.npz"
    assert invoke("train", "ddpm", *settings).exit_code == 0
    folder = Path("results/train-ddpm")
    assert calls == [(folder, 5, "mnist", None), (folder, 2, "mnist", Path("a.npz"))]
    refuse(invoke("train", "dpm"), "'dpm'", "ddpm")
    refuse(invoke("train", "ddpm", "--set", "step=5"), "step=5", "one of steps")
    refuse(invoke("train", "ddpm", "--set", "dataset=x"), "dataset=x", "one of steps")
    refuse(invoke("train", "ddpm", "--set", "steps=x"), "steps=x", "a value like 1")


@pytest.mark.parametrize("executor", ["in-process", "processes:2"])
def test_ctrl_c_keeps_the_finished_batches(tmp_path, executor):
    command = [sys.executable, str(Path(__file__).with_name("fake_program.py"))]
    command += ["run", "smoke", "--out", str(tmp_path), "--executor", executor]
    command += ["--set", "stop.max_batches=500"]
    process = subprocess.Popen(
        command,
        env=os.environ | {"FAKE_SECONDS": "0.05"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # where the tests run in the background, SIGINT is ignored and inherited so
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    counts, deadline = tmp_path / "counts.jsonl", time.monotonic() + 60
    while not (counts.exists() and counts.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == (
        "link-sim: stopped; finished batches are kept, the same command continues\n"
    )
    assert len(results.load_results(tmp_path)[1]) >= 3
    assert counts.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("arguments", [["--help"], ["show", "nowhere"]])
def test_what_needs_no_simulation_imports_no_tensorflow(arguments):
    code = (
        "import sys; from link_sim import cli\n"
        f"try: cli.app({arguments!r})\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_channels_says_what_it_understood_and_writes_it(invoke):
    import numpy as np

    a = np.exp(2j * np.pi * np.random.default_rng(1).random((9, 1, 2, 1, 3, 4, 1)))
    np.savez("cir.npz", a=a, tau=np.full((9, 1, 1, 4), 2e-6))
    result = invoke("channels", "cir.npz", "-o", "mine")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    for fact in ("examples 9", "receive antennas 2", "paths 4", "K-factor [dB]"):
        assert fact in said
    assert {path.name for path in Path().iterdir()} >= {"mine.npz", "mine.png"}
    assert "--set channel.model=cir --set channel.file=mine.npz" in result.stdout
    refuse(invoke("channels", "missing.npz"), "missing.npz is unreadable")
    ends = "antennas={transmit=1, streams=1, receive=2}"
    settings = ["channel.model=cir", "channel.file=mine.npz", ends]
    sets = [part for setting in settings for part in ("--set", setting)]
    refuse(invoke("run", "smoke", *sets), "[examples, 2, 1, paths, time steps]")


def test_generated_channels_serve_as_a_file(invoke):
    import numpy as np

    a = np.exp(2j * np.pi * np.random.default_rng(1).random((12, 6, 2, 1, 1)))
    np.savez("mine.npz", a=a, tau=np.zeros((12, 1)))
    result = invoke("generate", "csi-scm", "-n", "9", "-o", "new", "--like", "mine.npz")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "9 channels" in said and "energy of the examples 1 " in said
    assert "--set estimation.ensemble=file --set estimation.file=new.npz" in said
    assert np.load("new.npz")["a"].shape == (9, 6, 2, 1, 1)
    refuse(invoke("generate", "ddpm", "-o", "x.npz"), "no prior 'ddpm' to draw from")
    refuse(invoke("generate", "csi-scm", "-n", "0", "-o", "x.npz"), "0 channels")
    told = invoke("generate", "csi-scm", "-o", "x.npz", "--sight")
    refuse(told, "csi-scm knows no place, line of sight or steps")
    told = invoke("generate", "csi-site", "-o", "x.npz", "--like", "mine.npz")
    refuse(told, "csi-site is shown no examples")


def test_version_is_printed(invoke):
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"link-sim {link_sim.__version__}\n"


def test_help_names_the_folders_and_every_bench(invoke):
    helps = {c: invoke(c, "--help").stdout for c in ("run", "train", "bench")}
    assert "results/SCENARIO" in helps["run"]
    assert "results/train-WEIGHTS" in helps["train"]
    assert all(f"{name}: " in helps["bench"] for name in BENCHES)
