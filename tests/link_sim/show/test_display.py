import io
import re

import pytest
from rich.console import Console

from link_sim.engine import results
from link_sim.show import display
from link_sim.show.differences import difference_rows

RECEIVERS = [
    "perfect-csi", "perfect-csi+pixel-bayes", "perfect-csi+turbo", "lmmse",
    "lmmse+pixel-bayes", "lmmse+ddpm", "lmmse+ddpm-soft", "lmmse+turbo", "score",
    "score+turbo", "ls", "ls+turbo",
]  # fmt: skip


def printed(renderable, width=80) -> list[str]:
    """What a terminal of this width shows, line by line."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(renderable)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def crowded(simulated, points=5):
    points = [-4.0 + 2.5 * i for i in range(points)]
    names = str(RECEIVERS).replace("'", '"')
    return simulated("image", [f"receivers={names}", f"sweep.points={points}"])


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("intervals", [False, True])
def test_twelve_receivers_and_five_points_fit(simulated, width, intervals):
    scenario, tallies, _ = crowded(simulated)
    rows = results.rows(scenario, tallies)
    table = display.final_table(scenario, rows, tallies, width, intervals)
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    titles = [line for line in lines if line.endswith("is better)")]
    assert [title.split(" over")[0] for title in titles] == [
        "BER", "BLER", "PSNR [dB]", "NMSE [dB]",
    ]  # fmt: skip
    for name in RECEIVERS:  # whole, and in each table
        assert sum(line.split(" ")[0] == name for line in lines) >= 4
    words = " ".join(lines)
    for row in rows:
        if row["metric"] in ("bler", "psnr"):
            assert (display.cell if intervals else display.short)(row) in words


def test_five_points_take_one_table_and_more_go_below(simulated):
    for points, enough in ((5, True), (9, False)):
        scenario, tallies, _ = crowded(simulated, points)
        rows = results.rows(scenario, tallies)
        lines = printed(display.final_table(scenario, rows, tallies))
        own = sum(line.split(" ")[0] == "score+turbo" for line in lines)
        assert (own == 4) == enough


def test_values_stand_at_their_receiver_and_point(simulated):
    scenario, tallies, _ = simulated("smoke")
    rows = results.rows(scenario, tallies)
    lines = printed(display.final_table(scenario, rows, tallies))
    assert lines[0] == "smoke: 3 batches of 4 frames at each point"
    start = lines.index("PSNR [dB] over Eb/N0 [dB] (higher is better)")
    assert lines[start + 1].split() == [f"{point:g}" for point in tallies]
    for line, name in zip(lines[start + 2 :], scenario.receivers, strict=False):
        own = [r for r in rows if (r["receiver"], r["metric"]) == (name, "psnr")]
        assert line.split() == [name, *(f"{r['value']:.1f}" for r in own)]


def test_points_and_receivers_without_values_are_no_numbers(simulated):
    scenario, tallies, _ = simulated("smoke")
    first, *_ = tallies
    rows = [r for r in results.rows(scenario, tallies) if r["point"] == first]
    rows = [r for r in rows if (r["receiver"], r["metric"]) != ("ls", "bler")]
    lines = printed(display.final_table(scenario, rows, tallies))
    line = lines[lines.index("BLER over Eb/N0 [dB] (lower is better)") + 3]
    assert line.split() == ["ls", "-", "-"]


@pytest.mark.parametrize(
    ("metric", "ends", "text", "whole"),
    [
        ("bler", (0.25, 0.2, 0.3), "0.250", "0.250 [0.200, 0.300]"),
        ("bler", (0.0012, 0.001, 0.0019), "1.2e-3", "1.2 [1.0, 1.9] e-3"),
        ("bler", (0.0, 0.0, 0.031), "<0.031", "0.000 [0.000, 0.031]"),
        ("bler", (0.0, 0.0, 0.0031), "<3.1e-3", "0.0 [0.0, 3.1] e-3"),
        ("psnr", (21.84, 21.7, 22.0), "21.8", "21.8 [21.7, 22.0]"),
        ("nmse", (None, None, None), "-", "- [-, -]"),
        ("fcd", (1.591, 1.22, 1.96), "1.591", "1.591 [1.220, 1.960]"),
        ("fcd", (0.01, -0.0001, 0.02), "0.010", "0.010 [0.000, 0.020]"),
    ],
)
def test_cells(metric, ends, text, whole):
    row = dict(zip(("value", "low", "high"), ends, strict=True)) | {"metric": metric}
    assert display.short(row) == text
    assert display.cell(row) == whole


@pytest.mark.parametrize(
    ("metric", "ends", "text"),
    [
        ("bler", (-0.12, -0.15, -0.09), "-0.120 ±0.030"),
        ("bler", (-0.0012, -0.0015, -0.0009), "-1.2 ±0.3 e-3"),
        ("psnr", (0.84, 0.74, 0.94), "+0.8 ±0.1"),
        ("psnr", (0.84, None, None), "+0.8 ±-"),
        ("bler", (0.0, 0.0, 0.0), "0.000 ±0.000"),
        ("nmse", (None, None, None), "-"),
    ],
)
def test_differences(metric, ends, text):
    row = dict(zip(("value", "low", "high"), ends, strict=True)) | {"metric": metric}
    assert display.difference(row) == text


def test_accuracy_and_frechet_distance_take_the_place_of_class_flips():
    assert display.main_metrics({"class_flips", "fcd", "psnr"}) == [
        "psnr",
        "class_flips",
    ]
    measured = {"class_flips", "fcd", "accuracy", "ssim"}
    assert display.main_metrics(measured) == ["accuracy", "fcd"]


def test_differences_of_twelve_receivers_fit(simulated):
    scenario, tallies, _ = crowded(simulated)
    rows = difference_rows(scenario, tallies, "lmmse")
    lines = printed(display.difference_table(scenario, rows, "lmmse"))
    assert max(map(len, lines)) <= 80
    assert lines[0] == "image: receiver minus lmmse, on the same batches"
    assert "BLER minus lmmse over Eb/N0 [dB] (lower is better)" in lines
    names = {line.split(" ")[0] for line in lines}
    assert names >= set(RECEIVERS) - {"lmmse"} and "lmmse" not in names
    words = " ".join(lines)
    assert all(display.difference(r) in words for r in rows if r["metric"] == "psnr")


def bench_rows():
    row = {"case": "2x8 64-QAM", "part": "link", "ebno_db": 12.5, "variant": "ours"}
    row |= {"milliseconds": 226.04, "fastest": 210.0, "slowest": 233.0}
    row |= {"speedup": 7.2, "speedup_low": 6.6, "speedup_high": 8.0}
    more = {"information_mbit_per_s": 1.5, "first_batch_s": 9.1, "bler": 0.01}
    stock = row | {"variant": "stock-graph", "milliseconds": 1700.0, "speedup": 7.3}
    return [row | more, stock | more, row | {"part": "decoder"}]


def test_a_bench_shows_values_with_their_spread_in_80_columns():
    lines = printed(display.bench_table("link", bench_rows()))
    assert max(map(len, lines)) <= 80
    assert lines[0] == "link, case 2x8 64-QAM, ebno_db 12.5"
    assert "226 [210, 233]  7.2 [6.6, 8]" in lines[2]
    names = [re.split("  +", line)[0] for line in lines]
    assert names[1:5] == [
        "part variant",
        "link ours",
        "link stock-graph",
        "decoder ours",
    ]
    assert names[5:] == ["part variant", "link ours", "link stock-graph"]
