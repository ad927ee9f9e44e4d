import io
import time

import pytest
from rich.console import Console

from link_sim.engine import montecarlo
from link_sim.scenarios.loading import list_scenarios, load_scenario
from link_sim.show.progress import Progress, watched_name


def followed(run, terminal, workers=0):
    """Progress over an empty sweep of the run, and the console it writes to."""
    scenario, tallies, lines = run
    console = Console(
        file=io.StringIO(), width=80, force_terminal=terminal, markup=False
    )
    empty = montecarlo.tally(tallies, scenario.stop)
    return Progress(console, scenario, empty, workers), empty, lines


def take(progress, tallies, lines):
    for line in lines:
        tallies[line["point"]].add(line)
        progress.show(line)


def shown(progress) -> list[str]:
    console = Console(file=io.StringIO(), width=80, markup=False)
    console.print(progress)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def status(progress) -> str:
    return next(line for line in shown(progress) if "; " in line)


@pytest.mark.parametrize(
    "name", ["smoke", "image", "image-turbo-mimo", "image-ddpm-steps"]
)
def test_in_a_pipe_a_batch_is_one_short_line(simulated, name):
    progress, tallies, lines = followed(simulated(name), terminal=False)
    with progress:
        take(progress, tallies, lines)
    first, *printed = progress._console.file.getvalue().splitlines()
    assert "building and compiling" in first
    assert len(printed) == len(lines)
    assert max(map(len, printed)) <= 100
    assert printed[-1].startswith(f"batch {len(lines)} of {len(lines)}, ")


def test_the_first_batch_is_left_out_of_the_time_that_is_left(simulated, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    run = simulated("smoke", batches=5)  # at two points
    progress, tallies, lines = followed(run, terminal=True)
    assert status(progress).startswith("building and compiling")
    lines[0]["seconds"] = 60.0
    for line in lines[1:]:
        line["seconds"] = 2.0
    take(progress, tallies, lines[:1])
    assert status(progress) == "batch 2 of 10; 0 s"
    take(progress, tallies, lines[1:4])
    assert status(progress) == "batch 5 of 10; 0 s, about 12 s left"


def test_points_that_compile_anew_are_told_by_their_later_batches(
    simulated, monkeypatch
):
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    progress, tallies, lines = followed(simulated("smoke", batches=5), terminal=True)
    for line in lines:
        line["seconds"] = 2.0 if line["batch"] else 60.0
    take(progress, tallies, lines[:4])
    assert status(progress).endswith("about 12 s left")


def test_the_live_view_of_twelve_receivers_fits(simulated):
    scenario, tallies, lines = run = simulated("image")
    progress, empty, _ = followed(run, terminal=True)
    take(progress, empty, lines)
    table = shown(progress)
    assert max(map(len, table)) <= 80
    assert {line.split(" ")[0] for line in table} >= {*scenario.receivers, "batches"}
    assert table[0] == "image: BER so far over Eb/N0 [dB]"


def test_a_receiver_that_failed_and_little_memory_are_told(simulated):
    progress, tallies, lines = followed(simulated("smoke"), terminal=False)
    with progress:
        lines[0]["counts"]["ls"] = None
        lines[0]["frames_at_once"] = 2
        take(progress, tallies, lines[:1])
    assert "going on with 2 at a time" in progress._console.file.getvalue()
    assert any(line.split()[:2] == ["ls", "out"] for line in shown(progress))


@pytest.mark.parametrize("name", list_scenarios())
def test_what_is_watched_has_a_name(name):
    assert "None" not in watched_name(load_scenario(name).watched)
