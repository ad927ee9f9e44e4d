import os

import pytest

from link_sim.bench import timing


def test_functions_are_timed_in_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = timing.interleave(functions, rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(times) for times in seconds.values()] == [2, 2]


def test_times_per_image_and_their_spread():
    found = timing.milliseconds([0.3, 0.1, 0.2], 100, "_per_image")
    expected = {"milliseconds_per_image": 2.0, "fastest": 1.0, "slowest": 3.0}
    assert found == pytest.approx(expected)


def test_ratios_are_those_of_the_same_rounds():
    assert timing.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_function_apart_has_a_process_of_its_own():
    assert timing.apart(os.getpid) != os.getpid()


def test_the_peak_of_memory_is_that_of_this_process():
    assert 10 < timing.peak_memory_mb() < 1e6
