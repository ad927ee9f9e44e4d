"""Kills Dask workers in mid-batch: `python tests/torture/dask_deaths.py --deaths 20`.

A real scheduler and two workers on loopback carry one run. Each death is a SIGKILL of a
worker that is computing a batch, and another worker takes its place. The scheduler is
told to allow for so many, since the same batch may be hit again and again.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import stored

BATCH_SECONDS = 0.2
DASK = [sys.executable, "-m", "dask"]
PATIENCE = 120  # seconds


@contextmanager
def cluster(
    folder: Path, **variables: str
) -> Iterator[tuple[str, dict[str, subprocess.Popen]]]:
    """A scheduler on loopback: its address, and processes by name, workers to come."""
    file, processes = folder / "scheduler.json", {}
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    options += ["--scheduler-file", str(file)]
    processes["scheduler"] = start("scheduler", *options, **variables)
    try:
        yield wait_for(lambda: file.exists() and address(file)), processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def address(file: Path) -> str | None:
    try:
        return json.loads(file.read_text())["address"]
    except ValueError:
        return None  # not written in full yet


def start(*arguments: str, **variables: str) -> subprocess.Popen:
    """A scheduler or worker whose log nobody reads."""
    return subprocess.Popen(
        [*DASK, *arguments],
        env=stored.environment(BATCH_SECONDS, **variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def start_worker(scheduler: str, processes: dict, **variables: str) -> subprocess.Popen:
    """Adds a worker of one thread, without a nanny that would start it again."""
    name = f"worker-{len(processes)}"
    options = ["--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    options += ["--host", "127.0.0.1", "--preload", stored.PROGRAM.stem]
    processes[name] = start("worker", scheduler, *options, **variables)
    return processes[name]


def wait_for(condition):
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def busy_workers(client) -> list[str]:
    """Names of the workers that have a batch."""
    busy = [worker for worker, keys in client.processing().items() if keys]
    known = client.scheduler_info(n_workers=-1)["workers"]
    return [known[worker]["name"] for worker in busy if worker in known]


def survive(deaths: int, folder: Path, rng: random.Random) -> int:
    """Kills so many workers of one run; the number of batches, all there, all once."""
    from distributed import Client

    batches = 10 * deaths
    whole, broken = folder / "whole", folder / "broken"
    stored.finish(stored.command(whole, batches), env=stored.environment())
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(deaths)}
    with cluster(folder, **allowed) as (scheduler, processes):
        start_worker(scheduler, processes)
        start_worker(scheduler, processes)
        place = ["--executor", scheduler.replace("tcp", "dask")]
        with Client(scheduler) as client:
            client.wait_for_workers(2)
            run = subprocess.Popen(
                stored.command(broken, batches, *place),
                env=stored.environment(),
                stdout=subprocess.DEVNULL,
            )
            for death in range(deaths):
                seen = stored.num_lines(broken)
                wait_for(lambda seen=seen: stored.num_lines(broken) > seen)
                wait_for(lambda: len(busy_workers(client)) > 1)
                time.sleep(rng.uniform(0, BATCH_SECONDS))
                assert run.poll() is None, f"the run ended before death {death + 1}"
                victim = processes[rng.choice(wait_for(lambda: busy_workers(client)))]
                os.kill(victim.pid, signal.SIGKILL)
                victim.wait()
                start_worker(scheduler, processes)
        assert run.wait(PATIENCE) == 0
    assert stored.counts(broken) == stored.counts(whole)
    return len(stored.counts(whole))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deaths", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(chosen.seed)
        batches = survive(chosen.deaths, Path(folder), rng)
    print(
        f"{chosen.deaths} of {chosen.deaths} deaths of Dask workers survived: "
        f"{batches} batches, each once, with the counts of an undisturbed run"
    )


if __name__ == "__main__":
    main()
