"""Where batches run: in this process, in a pool of processes, or on a Dask cluster."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

FIRST_WORKER = 60
"""How long to wait for the first worker of a Dask cluster, in seconds."""
_one_batch = threading.Lock()


def run_alone(run_batch: Callable[..., dict], *batch: Any) -> dict:
    """`run_batch(*batch)` while no other thread of this process runs a batch.

    The random numbers of a batch come from one generator per process, and the threads
    of a Dask worker share it.
    """
    with _one_batch:
        return run_batch(*batch)


class InProcessExecutor(Executor):
    """Runs each call at once, where it is submitted."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Calls `fn` and returns a future that is done. Ctrl-C goes through."""
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def open_executor(where: str) -> AbstractContextManager[tuple[Executor, int]]:
    """Opens an executor and says how many workers it has besides this process.

    `where` is "in-process", "processes:N" or "dask://host:port"; a ValueError
    says so for anything else.
    """
    kind, _, rest = where.partition(":")
    if where == "in-process":
        return _in_process()
    if kind == "processes" and rest.isdecimal() and 0 < int(rest[:9]) < 1000:
        return _processes(int(rest))
    if kind == "dask" and rest.strip("/"):
        return _dask(rest.strip("/"))
    raise ValueError(
        f"--executor {where} is not known: "
        "use in-process, processes:N or dask://host:port"
    )


@contextmanager
def _in_process() -> Iterator[tuple[Executor, int]]:
    yield InProcessExecutor(), 0


@contextmanager
def _processes(workers: int) -> Iterator[tuple[Executor, int]]:
    """A pool of fresh processes that share this machine's cores.

    TensorFlow rounds differently with the number of threads, so sums of real numbers
    may differ from those made in one process in their last digits (float32).
    Leaving ends the processes at once: what they have not finished by then is either
    not wanted or interrupted.
    """
    threads = max(1, _count_cores() // workers)
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        workers,
        mp_context=_Workers(),
        initializer=_prepare_worker,
        initargs=(threads,),
    )
    try:
        yield executor, workers
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()


def _count_cores() -> int:
    """Those that this process is bound to where the system tells, else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker(SpawnProcess):
    """A fresh process that leaves Ctrl-C to its parent from its first instruction."""

    def start(self) -> None:
        """Starts it with SIGINT blocked, which the process inherits; not on Windows."""
        if not hasattr(signal, "pthread_sigmask"):
            super().start()
            return
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Workers(SpawnContext):
    Process = _Worker


def _prepare_worker(threads: int) -> None:
    """Divides the cores, and ends when the parent does.

    The worker is silent: what fails in it comes back to the parent as an exception.
    """
    for name in (
        "OMP_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ):
        os.environ[name] = str(threads)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    """A running Dask cluster, whose workers have link-sim installed.

    Dask gives the batches of a worker that died to another one, up to three times.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise ValueError(
            "--executor dask://… needs Dask: pip install dask distributed"
        ) from None
    for name in ("distributed", "distributed.client"):  # failures come as exceptions
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(f"tcp://{address}", timeout=10)
    except (OSError, ValueError):
        raise ValueError(
            f"no Dask scheduler answers at {address}: "
            "start one with `dask scheduler`, or correct --executor"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER)
        except TimeoutError:
            raise ValueError(
                f"the Dask scheduler at {address} has no workers: "
                f"start some with `dask worker tcp://{address}`"
            ) from None
        try:
            yield client.get_executor(), sum(client.nthreads().values())
        except KilledWorker:
            raise BrokenExecutor from None
        except CancelledError:
            raise ValueError(
                f"the Dask scheduler at {address} went away: finished batches are "
                "kept, start it and its workers again and run the same command"
            ) from None
