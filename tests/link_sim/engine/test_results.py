import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from link_sim.engine import count_lines, identity, montecarlo, results, versions
from link_sim.engine.executors import InProcessExecutor
from link_sim.scenarios.loading import load_scenario

SMOKE = "smoke"
KEYS = "scenario receiver axis point metric value low high count".split()

WRITER = """
import sys
from functools import partial
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import fake_link
from link_sim.engine import montecarlo, results, versions
from link_sim.engine.executors import InProcessExecutor
from link_sim.scenarios.loading import load_scenario

versions.of_today = lambda scenario: {}
scenario = load_scenario("smoke", ["stop.max_batches=6"])
with results.open_results(Path(sys.argv[1]), scenario) as stored:
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop, stored.lines)
    run_batch = partial(fake_link.run_batch, scenario.to_toml())
    for line in montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 0):
        stored.append(line)
"""


@pytest.fixture(autouse=True)
def fixed_versions(monkeypatch):
    monkeypatch.setattr(versions, "of_today", lambda scenario: {"python": "3"})


def tallied(scenario, lines):
    points, stop = scenario.sweep.points, scenario.stop
    return montecarlo.tally(points, stop, lines, scenario.receivers)


def fill(folder, fake_link, *overrides, batches=None):
    """Runs the scenario into the folder; at most so many batches."""
    scenario = load_scenario(SMOKE, list(overrides))
    with results.open_results(folder, scenario) as stored:
        scenario = stored.scenario
        tallies = tallied(scenario, stored.lines)
        run_batch = partial(fake_link.run_batch, scenario.to_toml())
        lines = montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 0)
        for _, line in zip(range(batches or 10**9), lines, strict=False):
            stored.append(line)
    return scenario, tallies


def stored_counts(folder):
    scenario, lines = results.load_results(folder)
    tallies = tallied(scenario, lines)
    return {point: (len(t.lines), t.counts) for point, t in tallies.items()}


def test_counts_come_back_exactly(tmp_path, fake_link):
    scenario, tallies = fill(tmp_path, fake_link)
    again, lines = results.load_results(tmp_path)
    assert again == scenario
    assert stored_counts(tmp_path) == {p: (2, t.counts) for p, t in tallies.items()}
    assert set(lines[0]) == {"point", "batch", "seed", "seconds", "counts"}


def test_a_run_in_parts_equals_one_whole(tmp_path, fake_link):
    fill(tmp_path / "whole", fake_link)
    fill(tmp_path / "parts", fake_link, batches=1)
    fill(tmp_path / "parts", fake_link, batches=2)
    fill(tmp_path / "parts", fake_link)
    assert stored_counts(tmp_path / "parts") == stored_counts(tmp_path / "whole")


def test_points_and_stop_rules_may_change(tmp_path, fake_link):
    fill(tmp_path / "a", fake_link, "sweep.points=[2]")
    changed = ("sweep.points=[0, 2]", "stop.max_batches=3")
    fill(tmp_path / "a", fake_link, *changed)
    fill(tmp_path / "b", fake_link, *changed)
    assert stored_counts(tmp_path / "a") == stored_counts(tmp_path / "b")
    assert len((tmp_path / "a" / "counts.jsonl").read_text().splitlines()) == 6


def test_points_that_are_there_stay(tmp_path, fake_link):
    fill(tmp_path / "a", fake_link, "sweep.points=[2, 6]")
    before = stored_counts(tmp_path / "a")
    fill(tmp_path / "a", fake_link, "sweep.points=[4]")
    after = stored_counts(tmp_path / "a")
    assert list(after) == [2, 4, 6] and after == after | before


ONE, TWO = 'receivers=["perfect-csi"]', 'receivers=["ls", "perfect-csi"]'


@pytest.mark.parametrize("rule", ["stop.max_batches=3", "stop.block_errors=20"])
@pytest.mark.parametrize("batches", [None, 1])
def test_receivers_are_added(tmp_path, fake_link, rule, batches):
    most = "stop.max_batches=30" if "errors" in rule else rule
    fill(tmp_path / "a", fake_link, TWO, rule, most)
    fill(tmp_path / "b", fake_link, ONE, rule, most, batches=batches)
    fill(tmp_path / "b", fake_link, 'receivers=["ls"]', rule, most, batches=batches)
    fill(tmp_path / "b", fake_link, TWO, rule, most)
    assert stored_counts(tmp_path / "a") == stored_counts(tmp_path / "b")
    lines = count_lines.read(tmp_path / "b" / "counts.jsonl")[0]
    assert all(len(line["counts"]) == 2 for line in lines)
    scenario = results.load_results(tmp_path / "b")[0]
    assert scenario.receivers == ("perfect-csi", "ls")


def test_only_what_is_missing_is_computed(tmp_path, fake_link):
    fill(tmp_path, fake_link, ONE)
    fill(tmp_path, fake_link, TWO, "stop.max_batches=3")
    raw = [json.loads(line) for line in (tmp_path / "counts.jsonl").open()]
    made = [(line["point"], line["batch"], *line["counts"]) for line in raw]
    assert sorted(made) == sorted(
        [(p, b, name) for p in (2, 6) for b in (0, 1) for name in ("perfect-csi", "ls")]
        + [(p, 2, "perfect-csi", "ls") for p in (2, 6)]
    )


def test_folders_of_different_receivers_are_merged(tmp_path, fake_link):
    fill(tmp_path / "a", fake_link, ONE)
    fill(tmp_path / "b", fake_link, 'receivers=["ls"]')
    fill(tmp_path / "both", fake_link, TWO)
    results.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "sum")
    assert stored_counts(tmp_path / "sum") == stored_counts(tmp_path / "both")
    size = (tmp_path / "sum" / "counts.jsonl").stat().st_size
    results.merge([tmp_path / "both", tmp_path / "b"], tmp_path / "sum")
    assert (tmp_path / "sum" / "counts.jsonl").stat().st_size == size


def test_a_folder_without_a_batch_is_replaced(tmp_path, fake_link, monkeypatch):
    made_by(monkeypatch, "3", ddpm="a")
    fill(tmp_path, fake_link, "seed=7", batches=1)
    (tmp_path / "counts.jsonl").write_bytes(b"")
    made_by(monkeypatch, "3", ddpm="b")
    fill(tmp_path, fake_link)
    assert results.load_results(tmp_path)[0].seed == 1
    assert versions.load(tmp_path) == [{"python": "3", "weights": {"ddpm": "b"}}]


@pytest.mark.parametrize("keep", [-1, -20])
def test_a_line_cut_short_is_dropped_and_made_again(tmp_path, fake_link, keep):
    fill(tmp_path, fake_link)
    whole, path = stored_counts(tmp_path), tmp_path / "counts.jsonl"
    text = path.read_bytes()
    path.write_bytes(text[:keep])
    assert len(results.load_results(tmp_path)[1]) == 3
    fill(tmp_path, fake_link)
    assert path.read_bytes() == text
    assert stored_counts(tmp_path) == whole


def test_a_line_in_between_that_is_not_a_batch_is_named(tmp_path, fake_link):
    fill(tmp_path, fake_link)
    path = tmp_path / "counts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "{}\n", *lines[1:]]))
    with pytest.raises(results.ResultsError, match="line 2 of .* delete that line"):
        results.load_results(tmp_path)


@pytest.mark.parametrize("position", range(0, 400, 7))
def test_a_garbled_last_line_is_known_and_made_again(tmp_path, fake_link, position):
    fill(tmp_path, fake_link, "sweep.points=[2]")
    path = tmp_path / "counts.jsonl"
    text = bytearray(path.read_bytes())
    start = text.index(b"\n") + 1
    text[start + position] = text[start + position] % 255 + 1
    path.write_bytes(text)
    assert len(results.load_results(tmp_path)[1]) == 1
    path.write_bytes(text[:start] + b"\0\n" * position)
    assert len(results.load_results(tmp_path)[1]) == 1


def test_more_than_a_line_is_never_dropped(tmp_path, fake_link):
    fill(tmp_path, fake_link)
    path = tmp_path / "counts.jsonl"
    path.write_text(path.read_text().replace("frames", "frame"))
    with pytest.raises(results.ResultsError, match="line 1 of .* is not a batch"):
        results.load_results(tmp_path)


def test_a_line_without_a_check_is_read(tmp_path, fake_link):
    fill(tmp_path, fake_link)
    path = tmp_path / "counts.jsonl"
    scenario, lines = results.load_results(tmp_path)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert results.load_results(tmp_path) == (scenario, lines)


@pytest.mark.parametrize("text", ["[", "{}", "[1]", '[{"weights": "x"}]', "\xff"])
def test_damaged_versions_are_named(tmp_path, fake_link, text):
    fill(tmp_path, fake_link)
    (tmp_path / "versions.json").write_text(text, encoding="latin-1")
    with pytest.raises(results.ResultsError, match="versions.json is damaged: delete"):
        fill(tmp_path, fake_link)


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("seed=7", "with seed = 1 instead of 7"),
        ("code.rate=0.2", "with code.rate = 0.5 instead of 0.2"),
        ("stop.seconds=9.0", None),
    ],
)
def test_another_scenario_is_refused_by_name(tmp_path, fake_link, override, difference):
    fill(tmp_path, fake_link)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    if difference is None:
        fill(tmp_path, fake_link, override)
        return
    with pytest.raises(results.ResultsError, match=difference):
        fill(tmp_path, fake_link, override)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_two_writers_are_refused(tmp_path, fake_link):
    scenario = load_scenario(SMOKE, [])
    with results.open_results(tmp_path, scenario):
        with pytest.raises(results.ResultsError, match="another run is writing"):
            with results.open_results(tmp_path, scenario):
                pass
    with results.open_results(tmp_path, scenario):
        pass


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(results.ResultsError, match="is not a results folder"):
        results.load_results(tmp_path)


def test_rows(tmp_path, fake_link):
    scenario, tallies = fill(tmp_path, fake_link)
    table = results.rows(scenario, tallies)
    assert all(list(row) == KEYS for row in table)
    assert len(table) == 2 * 3 * 8  # points, receivers, metrics
    row = next(r for r in table if r["metric"] == "bler" and r["receiver"] == "ls")
    counts = tallies[2.0].counts["ls"]
    assert row["value"] == counts["block_errors"] / counts["blocks"]
    assert row["count"] == counts["blocks"] == 2 * 8 * 2
    json.dumps(table, allow_nan=False)


def test_summary_holds_the_rows(tmp_path, fake_link):
    table = results.rows(*fill(tmp_path, fake_link))
    results.write_summary(tmp_path, table)
    with open(tmp_path / "summary.csv") as file:
        read = list(csv.DictReader(file))
    assert [float(row["value"]) for row in read] == [row["value"] for row in table]


def test_versions_are_kept_of_all_that_wrote(tmp_path, fake_link, monkeypatch):
    for version in ("3", "3", "4"):
        made = {"python": version}
        monkeypatch.setattr(versions, "of_today", lambda scenario, made=made: made)
        fill(tmp_path, fake_link)
    known = json.loads((tmp_path / "versions.json").read_text())
    assert known == [{"python": "3"}, {"python": "4"}]


def made_by(monkeypatch, python, **weights):
    """Has what is run from now on be made by these versions."""
    made = {"python": python, "weights": weights}
    monkeypatch.setattr(versions, "of_today", lambda scenario: made)
    return made


def test_other_weights_are_refused_by_name(tmp_path, fake_link, monkeypatch):
    made_by(monkeypatch, "3", ddpm="a", turbo="b")
    fill(tmp_path, fake_link, batches=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    made_by(monkeypatch, "3", ddpm="a", turbo="c")
    with pytest.raises(
        results.ResultsError,
        match=f"{tmp_path} was made with other weights of the name turbo .*: install",
    ):
        fill(tmp_path, fake_link)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    made_by(monkeypatch, "4", ddpm="a", turbo="b", more="d")
    fill(tmp_path, fake_link)


def test_a_merged_folder_has_the_versions_of_its_parts(
    tmp_path, fake_link, monkeypatch
):
    parts, made = [tmp_path / name for name in "abc"], []
    for part, python in zip(parts, ("3", "4", "3"), strict=True):
        made.append(made_by(monkeypatch, python, ddpm="a"))
        fill(part, fake_link)
    made_by(monkeypatch, "5", ddpm="other weights where they are merged")
    results.merge(parts, tmp_path / "sum")
    assert versions.load(tmp_path / "sum") == made[:2]


def test_parts_made_with_other_weights_are_not_merged(tmp_path, fake_link, monkeypatch):
    for name, sha256 in (("a", "1"), ("b", "2")):
        made_by(monkeypatch, "3", ddpm=sha256)
        fill(tmp_path / name, fake_link)
    with pytest.raises(
        results.ResultsError, match="/b was made with other weights .* ddpm .*: leave"
    ):
        results.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "sum")
    assert not (tmp_path / "sum").exists()


def test_a_killed_run_continues_to_the_same_counts(tmp_path, fake_link):
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", WRITER, str(tmp_path / "killed"), here]
    env = os.environ | {"FAKE_SECONDS": "0.05"}
    path = tmp_path / "killed" / "counts.jsonl"
    process = subprocess.Popen(command, env=env)
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(results.load_results(tmp_path / "killed")[1])
    assert 3 <= kept < 12
    subprocess.run(command, check=True)
    fill(tmp_path / "whole", fake_link, "stop.max_batches=6")
    assert stored_counts(tmp_path / "killed") == stored_counts(tmp_path / "whole")


def test_folders_are_named_after_what_is_set():
    plain = load_scenario("csi-link")

    def name(*settings):
        return identity.folder_name(load_scenario("csi-link", settings), plain)

    free = "sweep.points=[1]", 'receivers=["ls"]', "stop.max_batches=3"
    assert name() == name(*free) == "csi-link"
    assert name("channel.speed=70") == "csi-link-speed-70.0"
    long = name("description='" + 60 * "x" + "'")
    assert long.startswith("csi-link-") and len(long) == 17


def test_a_batch_agrees_with_itself_received_in_parts():
    counts = {"images": 8, "squared_error": 7.0, "logit_0_8": -6.696}
    line = {"seed": 1, "counts": {"ae": counts}}

    def other(**changed):
        return {"seed": 1, "counts": {"ae": counts | changed}}

    assert count_lines.agree(line, other(squared_error=7.001, logit_0_8=-6.66))
    assert not count_lines.agree(line, other(squared_error=7.1))
    assert not count_lines.agree(line, other(images=9))


def test_two_processes_can_replace_a_file_at_once(tmp_path, monkeypatch):
    path = tmp_path / "summary.csv"
    with results.replacing(path) as one:
        one.write_text("one")
        with monkeypatch.context() as patch:
            patch.setattr(results.os, "getpid", lambda: 0)
            with results.replacing(path) as other:
                other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_the_commit_of_another_repository_is_not_ours(monkeypatch):
    inside = Path(__file__).parents[1] / "site-packages" / "versions.py"
    monkeypatch.setattr(versions, "__file__", str(inside))
    assert versions._commit() is None
