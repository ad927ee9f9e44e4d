"""What stands on the screen of a terminal, as a terminal shows it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from link_sim.scenarios.loading import load_scenario

pyte = pytest.importorskip("pyte")
pty = pytest.importorskip("pty")  # not on Windows

PROGRAM = Path(__file__).parents[1] / "fake_program.py"
ROWS = 200
"""High enough that nothing scrolls away."""


def screens(folder, columns, *arguments):
    """The screen after each piece of output of a run, as lists of lines."""
    master, slave = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": str(ROWS), "TERM": "xterm"}
    environment = os.environ | size | {"FAKE_SECONDS": "1"}
    command = [sys.executable, str(PROGRAM), *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    screen = pyte.Screen(columns, ROWS)
    stream, seen = pyte.ByteStream(screen), []
    while True:
        try:
            output = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not output:
            break
        stream.feed(output)
        seen.append([line.rstrip() for line in screen.display if line.strip()])
    os.close(master)
    assert process.wait() == 0, seen[-1]
    return seen


@pytest.mark.parametrize(
    "name", ["smoke", pytest.param("image", marks=pytest.mark.slow)]
)
def test_names_and_points_are_whole_at_80_columns(tmp_path, name):
    seen = screens(tmp_path, 80, "run", name, "--set", "stop.max_batches=2")
    scenario, end = load_scenario(name), seen[-1]
    points = [f"{point:g}" for point in scenario.sweep.points]
    start = next(i for i, line in enumerate(end) if line.startswith("BER over"))
    assert end[start + 1].split() == points
    for line, receiver in zip(end[start + 2 :], scenario.receivers, strict=False):
        assert line.split()[0] == receiver
        assert len(line.split()) == 1 + len(points)
    assert end[-1] == f"Results: results/{name}"
    live = [line for screen in seen[:-1] for line in screen]
    assert any(line.startswith("building and compiling the link; ") for line in live)
    total = 2 * len(points)
    assert any(line.startswith(f"batch 3 of {total}; ") for line in live)
    rows = [line.split()[0] for line in live if line.split()[0] in scenario.receivers]
    assert set(rows) == set(scenario.receivers)
