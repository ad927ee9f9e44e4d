import pytest

from link_sim.metrics import pairs
from link_sim.show.differences import difference_rows


def test_rows_are_the_paired_differences_of_the_batches_that_count(simulated):
    scenario, tallies, lines = simulated("smoke")
    rows = difference_rows(scenario, tallies, "ls")
    assert {row["receiver"] for row in rows} == {"perfect-csi", "ls+pixel-bayes"}
    exact = pairs.paired_difference(lines, "perfect-csi", "ls", "psnr")
    for point, ends in exact.items():
        (row,) = (
            r
            for r in rows
            if (r["receiver"], r["metric"], r["point"])
            == ("perfect-csi", "psnr", point)
        )
        assert (row["value"], row["low"], row["high"]) == tuple(ends)
        assert row["count"] == 3


def test_one_batch_has_no_interval(simulated):
    scenario, tallies, _ = simulated("smoke", batches=1)
    rows = difference_rows(scenario, tallies, "ls")
    assert rows and all(row["low"] is None for row in rows)


def test_a_reference_that_was_not_compared_is_refused(simulated):
    scenario, tallies, _ = simulated("smoke")
    with pytest.raises(ValueError, match="--against lmmse is not in this run: use one"):
        difference_rows(scenario, tallies, "lmmse")
