"""A real Dask scheduler and workers on loopback, and what becomes of a run on them."""

import random
import subprocess

import pytest

pytest.importorskip("distributed")

import dask_deaths
import stored
from dask_deaths import cluster, start_worker, wait_for

from link_sim.engine import executors


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_workers_are_killed(tmp_path):
    assert dask_deaths.survive(2, tmp_path, random.Random(1)) == 40


@pytest.mark.slow
def test_a_batch_that_kills_every_worker_is_answered_in_one_sentence(tmp_path):
    with cluster(tmp_path) as (scheduler, processes):
        run = run_on(scheduler, tmp_path / "out")
        for _ in range(4):  # Dask trusts a batch three times more
            worker = start_worker(scheduler, processes, FAKE_DEATH="1")
            assert worker.wait(dask_deaths.PATIENCE) == 1
        refused(run, "a worker process died", "finished batches are kept")


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_answered_in_one_sentence(tmp_path):
    with cluster(tmp_path) as (scheduler, processes):
        start_worker(scheduler, processes)
        run = run_on(scheduler, tmp_path / "out")
        wait_for(lambda: stored.num_lines(tmp_path / "out") > 1)
        processes["scheduler"].kill()
        refused(run, "went away", "finished batches are kept")
    assert len(stored.counts(tmp_path / "out")) > 1


def test_a_scheduler_without_workers_is_answered_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "FIRST_WORKER", 0.2)
    with cluster(tmp_path) as (scheduler, _):
        where = scheduler.removeprefix("tcp://")
        with pytest.raises(ValueError, match=f"{where} has no workers: start some"):
            with executors.open_executor(f"dask://{where}"):
                pass


@pytest.mark.parametrize(
    "where", [pytest.param("127.0.0.1:9", marks=pytest.mark.slow), "127.0.0.1"]
)
def test_where_no_scheduler_is(where):
    with pytest.raises(ValueError, match=f"no Dask scheduler answers at {where}"):
        with executors.open_executor(f"dask://{where}"):
            pass


def run_on(scheduler, out):
    place = ["--executor", scheduler.replace("tcp", "dask")]
    return subprocess.Popen(
        stored.command(out, 100, *place),
        env=stored.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(run, *words):
    _, errors = run.communicate(timeout=dask_deaths.PATIENCE)
    assert run.returncode == 2 and errors.count("\n") == 1, errors
    for word in words:
        assert word in errors
