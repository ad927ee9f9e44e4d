"""The program as a user runs it: real link, real folder, real signals."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from link_sim.engine.count_lines import agree
from link_sim.engine.results import load_results

SMOKE = ["run", "smoke", "--receivers", "perfect-csi,ls", "--set", "stop.max_batches=4"]


def link_sim(*arguments, **options):
    command = [sys.executable, "-m", "link_sim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def counts(folder):
    """The counts of each batch, whatever their order."""
    lines = [json.loads(line) for line in open(folder / "counts.jsonl")]
    return {(line["point"], line["batch"]): line["counts"] for line in lines}


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_counts(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert link_sim(*SMOKE, "--out", whole).returncode == 0
    assert len(counts(whole)) == 8

    command = [sys.executable, "-m", "link_sim", *SMOKE, "--out", str(broken)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    file = broken / "counts.jsonl"
    while not (file.exists() and file.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(counts(broken)) < 8
    assert link_sim(*SMOKE, "--out", broken).returncode == 0
    assert counts(broken) == counts(whole)

    shown = link_sim("show", broken, "--json")
    rows = json.loads(shown.stdout)
    keys = "scenario receiver axis point metric value low high count".split()
    assert all(list(row) == keys for row in rows)
    assert {row["receiver"] for row in rows} == {"perfect-csi", "ls"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, named",
    [
        (["run", "imgae"], "'imgae'"),
        (["run", "smoke", "--set", "colour=1"], "'colour'"),
        (["run", "smoke", "--set", "code.rate=0.01"], "code.rate"),
        (["run", "smoke", "--set", "antennas.streams=3"], "streams = 3"),
        (["run", "smoke", "--set", "payload.source=/etc/hostname"], "/etc/hostname"),
        (["run", "smoke", "--receivers", "lss"], "'lss'"),
        (["run", "smoke", "--out", "/proc/results"], "/proc"),
        (["run", "smoke", "--executor", "threads"], "threads"),
        (["show", "/etc"], "/etc"),
        (["train", "nothing"], "'nothing'"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(tmp_path, arguments, named):
    result = link_sim(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert named in result.stderr and result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.slow
def test_added_receivers_get_the_counts_that_they_have_in_company(tmp_path):
    short = "run", "smoke", "--set", "stop.max_batches=1"
    names = "ls+pixel-bayes", "perfect-csi"
    for name in names:
        added = link_sim(*short, "--receivers", name, "--out", tmp_path / "added")
        assert added.returncode == 0, added.stderr
    both = "--receivers", ",".join(names), "--out", tmp_path / "both"
    assert link_sim(*short, *both).returncode == 0
    (_, one), (_, other) = (load_results(tmp_path / x) for x in ("added", "both"))
    assert len(one) == len(other) == 2
    for line in other:
        (twin,) = (each for each in one if each["point"] == line["point"])
        assert twin["counts"].keys() == line["counts"].keys() == set(names)
        assert agree(line, twin)


@pytest.mark.slow
def test_tensorflow_is_quiet_from_python_too():
    code = "from link_sim import Link; import tensorflow; print(tensorflow.zeros(1)[0])"
    command = [sys.executable, "-c", code]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and done.stdout.startswith("tf.Tensor(0.0")
    assert done.stderr == ""
