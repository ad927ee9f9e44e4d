import math
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from link_sim import cli
from link_sim.engine import batches, results
from link_sim.engine.batches import LiveExperiment, cut, parts, run_batch
from link_sim.scenarios import loading
from link_sim.scenarios.base import ScenarioError
from link_sim.show.comparison import compare

TOML = """
kind = "toy"
name = "signs"
description = "signs over AWGN"
batch_size = 5
receivers = ["decides", "guesses"]
[sweep]
axis = "esno_db"
points = [0.0, 4.0]
[stop]
max_batches = 4
"""
World = namedtuple("World", "frame row known none no")


@pytest.fixture
def toy(monkeypatch):
    """The toy kind: two files, and this one line."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    from toy_scenario import ToyScenario

    monkeypatch.setitem(loading.KINDS, "toy", ToyScenario)
    batches._live.cache_clear()


def test_a_kind_takes_two_files_and_a_line(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("signs.toml").write_text(TOML)
    run = CliRunner().invoke(cli.app, ["run", "signs.toml"])
    assert run.exit_code == 0, run.output
    assert not Path("results/signs/strip.png").exists()
    rows = compare(loading.load_scenario("signs.toml")).rows()
    ber = {(r["receiver"], r["point"]): r for r in rows if r["metric"] == "ber"}
    for point in (0.0, 4.0):
        found, theory = (
            ber["decides", point],
            math.erfc(10 ** (point / 20)) / 2,  # Q(sqrt(2 Es/N0))
        )
        assert found["low"] < theory < found["high"]
        assert ber["guesses", point]["low"] < 0.5 < ber["guesses", point]["high"]
    again = CliRunner().invoke(cli.app, ["run", "signs.toml"])  # nothing is missing
    assert again.exit_code == 0
    assert len(results.load_results(Path("results/signs"))[1]) == 8


def test_a_key_of_a_new_kind_is_an_axis(toy):
    sweep = 'axis = "repetitions"\npoints = [1, 4]\nesno_db = 0'
    toml = TOML.replace('axis = "esno_db"\npoints = [0.0, 4.0]', sweep)
    toml = loading.parse_scenario(toml).to_toml()
    few, many = (run_batch(toml, point, 0) for point in (1, 4))
    assert few["seed"] == many["seed"]  # the same world
    errors = (batch["counts"]["decides"]["bit_errors"] for batch in (few, many))
    assert next(errors) > next(errors) > 0


def world(frames):
    frame = np.arange(frames)
    return World(frame, {"x": np.repeat(frame, 3)}, (frame, frame * 2), None, 0.5)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 7])
def test_parts_of_a_world_add_up_to_it(at_once):
    whole = world(5)
    found = list(parts(whole, 5, at_once))
    assert len(found) == math.ceil(5 / at_once)
    assert np.array_equal(np.concatenate([w.frame for w in found]), whole.frame)
    rows = np.concatenate([w.row["x"] for w in found])
    assert np.array_equal(rows, whole.row["x"])
    seconds = np.concatenate([w.known[1] for w in found])
    assert np.array_equal(seconds, whole.known[1])
    assert all(w.none is None and w.no == 0.5 for w in found)
    assert np.array_equal(cut(whole, 5, 1, 3).row["x"], [1, 1, 1, 2, 2, 2])


def test_tensors_are_cut_as_arrays_are_and_scalars_are_kept():
    frame, no = tf.range(4), tf.constant(0.5)
    found = cut(World(frame, None, (frame,), None, no), 4, 1, 3)
    assert np.array_equal(found.frame, [1, 2]) and found.no is no


def test_a_batch_that_memory_does_not_hold_is_counted_in_halves(toy, monkeypatch):
    scenario = loading.parse_scenario(TOML)
    live, at = LiveExperiment(scenario), scenario.at(0.0)
    whole, count = live.count(at, 2), live.experiment.count

    def limited(world):
        if len(world.x) > 2:
            raise MemoryError
        return count(world)

    monkeypatch.setattr(live.experiment, "count", limited)
    assert live.count(at, 2) == whole
    assert live.frames_at_once == 2

    def never(world):
        raise MemoryError

    monkeypatch.setattr(live.experiment, "count", never)
    with pytest.raises(ScenarioError, match="batch_size = 5 does not fit in memory"):
        live.count(at, 2)
