"""Runs of the stand-in link through the real command line, and what they stored."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "link_sim" / "fake_program.py"
REAL = ROOT / "link_sim" / "__main__.py"


def command(
    out: Path, batches: int, *options: str, program: Path = PROGRAM
) -> list[str]:
    """The command that runs so many batches a point of the stand-in or another link."""
    settings = ["--set", f"stop.max_batches={batches}", *options]
    return [sys.executable, str(program), "run", "smoke", "--out", str(out), *settings]


def environment(seconds: float = 0.0, **variables: str) -> dict[str, str]:
    """The environment in which a batch takes so many seconds."""
    path = f"{ROOT}{os.pathsep}{PROGRAM.parent}"
    added = {"PYTHONPATH": path, "FAKE_SECONDS": str(seconds)}
    return os.environ | added | variables


def finish(arguments: list[str], **options) -> subprocess.CompletedProcess:
    """Runs a command to its end, which must be a success."""
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done


def counts(folder: Path, key: str = "counts") -> dict[tuple, dict]:
    """The counts by point and batch, or `key`; none may be there twice."""
    lines = [json.loads(line) for line in open(folder / "counts.jsonl")]
    stored = {(line["point"], line["batch"]): line[key] for line in lines}
    assert len(stored) == len(lines), "a batch was counted twice"
    return stored


def same(found, expected, tolerance: float = 1e-6) -> bool:
    """Whether counts are equal, sums of float32 but for the order of their terms."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[key], x, 0.01 if "logit" in str(key) else 1e-6)
            for key, x in expected.items()
        )
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-5, abs_tol=tolerance)
    return found == expected


def shown(folder: Path) -> str:
    """What `show --json` says of a folder."""
    arguments = [sys.executable, str(PROGRAM), "show", str(folder), "--json"]
    return finish(arguments, env=environment()).stdout


def num_lines(folder: Path) -> int:
    """How many lines there are, the one in the making included."""
    file = folder / "counts.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0
