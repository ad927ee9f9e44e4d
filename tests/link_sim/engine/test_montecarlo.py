import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from link_sim.engine import montecarlo
from link_sim.engine.executors import InProcessExecutor, open_executor, run_alone
from link_sim.scenarios.sections import Stop

POINTS = (-2.0, 6.0, 14.0)
TOML = """
name = "fake"
description = ""
receivers = ["a", "b"]
[sweep]
points = [-2.0]
"""


def swept(run_batch, stop, executor, workers, lines=()):
    tallies = montecarlo.tally(POINTS, stop, lines)
    made = list(montecarlo.sweep(run_batch, tallies, executor, workers))
    return tallies, made


def totals(tallies):
    return {point: (len(t.lines), t.counts) for point, t in tallies.items()}


def test_any_executor_and_number_of_workers_gives_the_same_counts(fake_link):
    run_batch = partial(fake_link.run_batch, TOML)
    stop = Stop(max_batches=9, block_errors=40)
    alone, _ = swept(run_batch, stop, InProcessExecutor(), 0)
    with open_executor("processes:2") as (executor, workers):
        pooled, _ = swept(run_batch, stop, executor, workers)
    with ThreadPoolExecutor(4) as executor:
        threaded, _ = swept(run_batch, stop, executor, 7)
    assert totals(alone) == totals(pooled) == totals(threaded)
    assert len({len(tally.lines) for tally in alone.values()}) > 1


def test_the_order_of_lines_does_not_matter(fake_link):
    stop = Stop(max_batches=6, block_errors=15)
    forward, lines = swept(
        partial(fake_link.run_batch, TOML), stop, InProcessExecutor(), 0
    )
    assert totals(montecarlo.tally(POINTS, stop, reversed(lines))) == totals(forward)


def test_two_half_runs_equal_one_whole(fake_link):
    run_batch, stop = partial(fake_link.run_batch, TOML), Stop(max_batches=5)
    whole, lines = swept(run_batch, stop, InProcessExecutor(), 0)
    resumed, rest = swept(run_batch, stop, InProcessExecutor(), 0, lines[:7])
    assert totals(resumed) == totals(whole)
    assert len(rest) == len(lines) - 7  # nothing is repeated


def test_points_take_turns(fake_link):
    _, lines = swept(
        partial(fake_link.run_batch, TOML), Stop(max_batches=2), InProcessExecutor(), 0
    )
    order = [(line["point"], line["batch"]) for line in lines]
    assert order == [(point, batch) for batch in range(2) for point in POINTS]


def line(batch, blocks_wrong, seconds=1.0, point=POINTS[0]):
    counts = {"frames": 4, "blocks": 4, "block_errors": blocks_wrong}
    counts["block_errors_sq"] = blocks_wrong
    counts = {"a": counts, "b": counts | {"block_errors": 4, "block_errors_sq": 4}}
    return {"point": point, "batch": batch, "seconds": seconds, "counts": counts}


@pytest.mark.parametrize(
    ("stop", "batches"),
    [
        (Stop(max_batches=4), 4),
        (Stop(max_batches=9, block_errors=3), 3),  # receiver a has one a batch
        (Stop(max_batches=9, seconds=5.0), 5),
        (Stop(max_batches=2, seconds=5.0), 2),
    ],
)
def test_the_smallest_prefix_that_meets_a_rule_counts(stop, batches):
    tally = montecarlo.Tally(stop)
    for batch in (8, 2, 0, 1, 6, 4, 3, 7, 5):
        tally.add(line(batch, 1))
    assert [part["batch"] for part in tally.lines] == list(range(batches))
    assert tally.counts["a"]["block_errors"] == batches


def test_relative_width_stops_at_the_wilson_width_of_the_worst_receiver():
    """Receiver a: p = 1/4 with n = 4 k frames; width over p from the closed form."""

    def width(n, z=1.959963984540054):
        spread = math.sqrt(3 / 16 / n + (z / 2 / n) ** 2)
        return 2 * z * spread / (1 + z * z / n) / 0.25

    smallest = next(k for k in range(1, 1000) if width(4 * k) <= 0.8)
    tally = montecarlo.Tally(Stop(max_batches=999, relative_width=0.8))
    for batch in range(smallest + 5):
        tally.add(line(batch, 1))
    assert len(tally.lines) == smallest > 10


def test_without_errors_only_the_number_of_batches_stops():
    tally = montecarlo.Tally(Stop(max_batches=7, block_errors=1, relative_width=9.0))
    for batch in range(9):
        tally.add(line(batch, 0))
    assert len(tally.lines) == 7


def test_a_gap_waits():
    tally = montecarlo.Tally(Stop(max_batches=3))
    tally.add(line(1, 1))
    assert not tally.lines
    tally.add(line(0, 1))
    assert len(tally.lines) == 2


def test_a_receiver_that_is_not_finite_is_excluded_and_the_sweep_goes_on(fake_link):
    def run_batch(point, batch):
        result = fake_link.run_batch(TOML, point, batch)
        if (point, batch) == (POINTS[1], 1):
            result["counts"]["b"]["squared_error"] = math.nan
        return result

    tallies, lines = swept(run_batch, Stop(max_batches=3), InProcessExecutor(), 0)
    assert [sorted(t.counts) for t in tallies.values()] == [
        ["a", "b"],
        ["a"],
        ["a", "b"],
    ]
    assert [sorted(t.excluded) for t in tallies.values()] == [[], ["b"], []]
    assert len(lines) == 9


def test_a_point_where_nothing_is_finite_ends(fake_link):
    def run_batch(point, batch):
        return {"seed": 0, "seconds": 0.0, "counts": {"a": {"bits": math.inf}}}

    _, lines = swept(run_batch, Stop(max_batches=100), InProcessExecutor(), 0)
    assert len(lines) == len(POINTS)


def test_a_failure_reaches_the_caller_after_the_finished_batches(fake_link):
    def run_batch(point, batch):
        if point == POINTS[2]:
            raise ValueError("no such channel")
        return fake_link.run_batch(TOML, point, batch)

    tallies = montecarlo.tally(POINTS, Stop(max_batches=1))
    lines = []
    with pytest.raises(ValueError, match="no such channel"):
        lines.extend(montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 2))
    # list.extend keeps what came before the exception
    assert [part["point"] for part in lines] == list(POINTS[:2])


def test_an_interruption_hands_over_the_finished_batches_first(fake_link, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(montecarlo, "wait", interrupt)
    run_batch = partial(fake_link.run_batch, TOML)
    lines, tallies = [], montecarlo.tally(POINTS, Stop(max_batches=5))
    with pytest.raises(KeyboardInterrupt):
        for part in montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 2):
            lines.append(part)
    assert len(lines) == 3


def test_a_dask_cluster_gives_the_same_counts(fake_link):
    distributed = pytest.importorskip("distributed")
    run_batch, stop = partial(fake_link.run_batch, TOML), Stop(max_batches=3)
    alone, _ = swept(run_batch, stop, InProcessExecutor(), 0)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp",
        dashboard_address=None,
    ) as cluster:  # fmt: skip
        where = cluster.scheduler_address.replace("tcp", "dask")
        with open_executor(where) as (executor, workers):
            spread, _ = swept(run_batch, stop, executor, workers)
    assert workers == 2
    assert totals(spread) == totals(alone)


def test_threads_of_a_process_take_turns(fake_link):
    """As in a Dask worker of several threads, which share the world's generator."""
    alone = threading.Lock()

    def run_batch(point, batch):
        assert alone.acquire(blocking=False)
        time.sleep(0.01)
        alone.release()
        return fake_link.run_batch(TOML, point, batch)

    with ThreadPoolExecutor(4) as executor:
        swept(partial(run_alone, run_batch), Stop(max_batches=3), executor, 3)


@pytest.mark.parametrize(
    "where", ["process:2", "processes:0", "processes:9999", "dask://"]
)
def test_an_executor_that_is_not_known_is_named(where):
    with pytest.raises(ValueError, match=f"--executor {where} is not known: use "):
        open_executor(where)


@pytest.mark.parametrize(("target", "simulated"), [(0.0, 3), (0.3, 2), (None, 4)])
@pytest.mark.parametrize("workers", [0, 3])
def test_a_sweep_ends_at_the_first_point_on_target(target, simulated, workers):
    errors = {0: 9, 1: 2, 2: 0, 3: 0}  # of 10 blocks, of the worse receiver

    def run_batch(point, batch):
        counts = {
            name: {"block_errors": share * errors[point], "blocks": 10}
            for name, share in (("a", 0), ("b", 1))
        }
        return {"seed": 0, "seconds": 1.0, "counts": counts}

    stop = Stop(max_batches=2, target_bler=target)
    tallies = montecarlo.tally(errors, stop)
    with ThreadPoolExecutor(3) as executor:
        list(montecarlo.sweep(run_batch, tallies, executor, workers))
    lengths = [len(tally.lines) for tally in tallies.values()]
    assert lengths == [2] * simulated + [0] * (4 - simulated)
    assert montecarlo.unfinished(tallies) == []


def test_a_batch_that_is_there_twice_counts_once_and_takes_its_time_once():
    def line(**counts):
        return {"point": 1.0, "batch": 0, "seed": 0, "seconds": 2.0, "counts": counts}

    one = line(a={"frames": 4})
    assert montecarlo.joined(one, line(a={"frames": 4})) == one
    both = montecarlo.joined(one, line(b={"frames": 4}))
    assert both["seconds"] == 4.0 and set(both["counts"]) == {"a", "b"}
