import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from link_sim.show import plots


def row(receiver, point, value, low=None, high=None, metric="ber"):
    return {
        "scenario": "smoke",
        "receiver": receiver,
        "axis": "ebno_db",
        "point": point,
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "count": 100,
    }


@pytest.fixture
def ax():
    return Figure().subplots()


def test_curves_and_bounds(ax):
    rows = [
        row("perfect-csi", 0.0, 0.1, 0.05, 0.2),
        row("ls", 2.0, 0.2, 0.1, 0.3),
        row("ls", 0.0, 0.3, 0.2, 0.4),
        row("ls", 0.0, 20.0, 19, 21, metric="psnr"),
    ]
    assert plots.plot_metric(ax, rows, "ber") is ax
    bound, curve = ax.lines
    assert (bound.get_linestyle(), curve.get_linestyle()) == ("--", "-")
    assert curve.get_xydata().tolist() == [[0.0, 0.3], [2.0, 0.2]]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "Eb/N0 [dB]"


def test_a_point_without_errors_breaks_the_line_and_stands_below_all_values(ax):
    rows = [
        row("ls", 0.0, 0.3, 0.2, 0.4),
        row("ls", 2.0, 0.0, 0.0, 0.04),
        row("ls", 4.0, 1e-3, 5e-4, 2e-3),
        row("lmmse", 2.0, 1e-4, 5e-5, 2e-4),
    ]
    plots.plot_metric(ax, rows, "ber")
    x, y = ax.lines[0].get_data()
    assert list(x) == [0, 2, 4] and np.isnan(y[1])
    (mark,) = (line for line in ax.lines if line.get_fillstyle() == "none"
               and len(line.get_xdata()))  # fmt: skip
    assert mark.get_color() == ax.lines[0].get_color()
    left, below = ax.transAxes.inverted().transform(
        mark.get_transform().transform((2.0, mark.get_ydata()[0]))
    )
    low, high = np.log10(ax.get_ylim())
    lowest = (np.log10(1e-4) - low) / (high - low)  # of all values, in axes' heights
    assert 0 < below < plots.NONE_SEEN < lowest
    assert [text.get_text() for text in ax.texts] == ["<0.04", "ls", "lmmse"]
    assert all(1e-4 / 2 < tick < 1 for tick in ax.get_yticks())
    assert "bits are not independent" in ax.get_legend().get_texts()[-1].get_text()


def test_points_beyond_all_curves_are_inside_the_axes(ax):
    rows = [row("ls", x, y, 0.0, 0.2) for x, y in ((0.0, 0.1), (2.0, 0.0), (9.0, 0.0))]
    plots.plot_metric(ax, rows, "ber")
    assert ax.get_xlim()[1] > 9


def test_few_curves_bear_their_names_and_need_no_legend(ax):
    rows = [row("ls", x, 20.0, metric="psnr") for x in (0.0, 2.0)]
    rows += [row("lmmse", x, 30.0, metric="psnr") for x in (0.0, 2.0)]
    plots.plot_metric(ax, rows, "psnr")
    assert [text.get_text() for text in ax.texts] == ["ls", "lmmse"]
    assert ax.get_legend() is None


def test_limits_of_points_that_stand_close_are_not_written_over_each_other(ax):
    points = 0.0, 0.1, 0.2, 9.0
    plots.plot_metric(ax, [row("ls", x, 0.0, 0.0, 0.04) for x in points], "ber")
    assert [text.get_position()[0] for text in ax.texts] == [0.0, 9.0]


def test_a_run_without_any_error_can_be_drawn(ax):
    rows = [row(name, 2.0, 0.0, 0.0, 0.04) for name in ("ls", "lmmse")]
    plots.plot_metric(ax, rows, "ber")
    assert ax.texts[0].get_text() == "<0.04"


@pytest.mark.parametrize("metric", ["fcd", "ber", "class_flips"])
@pytest.mark.parametrize("high", [None, 0.0])
def test_values_of_zero_without_a_limit_can_be_drawn(ax, metric, high):
    rows = [row("ls", x, 0.0, 0.0, high, metric=metric) for x in (2.0, 4.0)]
    plots.plot_metric(ax, rows, metric)
    ax.figure.canvas.draw()
    assert not any(text.get_text().startswith("<") for text in ax.texts)
    some = [*rows, row("lmmse", 2.0, 0.1, 0.05, 0.2, metric=metric)]
    ax.clear()
    plots.plot_metric(ax, some, metric)
    ax.figure.canvas.draw()


def test_a_point_that_was_not_measured_breaks_the_line(ax):
    rows = [row("ls", x, 20.0, metric="psnr") for x in (0.0, 2.0, 4.0)]
    rows += [row("lmmse", x, 21.0, metric="psnr") for x in (0.0, 4.0)]
    plots.plot_metric(ax, rows, "psnr")
    assert np.isnan(ax.lines[1].get_ydata()).tolist() == [False, True, False]


def test_receivers_that_coincide_share_a_curve(ax):
    names = ("ls", "ls+pixel-bayes")
    plots.plot_metric(ax, [row(name, 0.0, 0.3, 0.2, 0.4) for name in names], "ber")
    assert [line.get_label() for line in ax.lines] == ["ls\n+pixel-bayes"]


def test_a_receiver_keeps_its_style_from_plot_to_plot():
    rows = [
        row("a", 0.0, 0.3, 0.2, 0.4),
        row("b", 0.0, 0.2, 0.1, 0.3),
        row("b", 0.0, 20.0, 19, 21, metric="psnr"),
    ]
    ber, psnr = (
        plots.plot_metric(Figure().subplots(), rows, m) for m in ("ber", "psnr")
    )
    assert ber.lines[1].get_color() == psnr.lines[0].get_color()
    assert ber.lines[1].get_marker() == psnr.lines[0].get_marker()


def test_differences_stand_around_zero_with_their_intervals(ax):
    rows = [row("ls", x, -0.1, -0.15, -0.05) for x in (0.0, 2.0)]
    rows.append(row("lmmse", 0.0, None))
    plots.plot_difference(ax, rows, "ber", "score")
    assert ax.lines[0].get_ydata().tolist() == [-0.1, -0.1]
    (bars,) = ax.collections
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, [[-0.15, -0.05]] * 2)
    assert "minus that of score (lower is better)" in ax.get_ylabel()


def test_differences_are_saved_one_file_a_metric(tmp_path):
    rows = [row("ls", 0.0, -1.0, -1.5, -0.5, metric="psnr")]
    plots.save_difference_plots(tmp_path, rows, "lmmse")
    assert [path.name for path in tmp_path.iterdir()] == ["difference-psnr.png"]


def test_values_without_an_interval_are_drawn(ax):
    plots.plot_metric(ax, [row("ls", 0.0, 20.0, metric="psnr")], "psnr")
    assert ax.lines[0].get_xydata().tolist() == [[0.0, 20.0]]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_strip_holds_each_image_where_its_label_is(ax, channels):
    image = np.zeros((2, 8, 8, channels))
    received = {
        ("ls", 0.0): image + 0.1,
        ("ls", 3.0): image + 0.2,
        ("lmmse", 3.0): image + 0.3,
    }
    plots.plot_strip(ax, image, received, "esno_db")
    shown = ax.images[0].get_array()
    levels = {
        (label_y.get_text(), label_x.get_text()): shown[int(y), int(x) + 1, 0]
        for label_y, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
        for label_x, x in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)
    }
    assert levels == {
        ("sent", "0"): 0,
        ("sent", "3"): 0,
        ("ls", "0"): 0.1,
        ("ls", "3"): 0.2,
        ("lmmse", "0"): 1,  # left blank
        ("lmmse", "3"): 0.3,
    }


@pytest.mark.parametrize(
    ("form", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_files_are_those_that_have_values(tmp_path, form, start):
    plots.save_plots(tmp_path, [row("ls", 0.0, 20.0, metric="psnr")], form)
    (path,) = tmp_path.iterdir()
    assert path.name == f"psnr.{form}"
    assert path.read_bytes().startswith(start)


def test_plots_fit_a_column_however_many_receivers(tmp_path):
    names = [f"perfect-csi+pixel-bayes-{i}" for i in range(12)]
    rows = [row(name, i / 9, 20.0, metric="psnr") for i, name in enumerate(names)]
    plots.save_plots(tmp_path, rows)
    width, _ = Image.open(tmp_path / "psnr.png").size
    assert width <= 1.05 * plots.COLUMN * plots.STYLE["savefig.dpi"]


def test_convergence_is_a_staircase_between_the_two_sides():
    path = np.array([[0.5, 0.6], [0.7, 0.8], [1.0, 0.9]])
    ax = plots.plot_convergence(Figure().subplots(), {3.0: path})
    x, y = ax.lines[0].get_data()
    corners = [(0, 0.5), (0.6, 0.5), (0.6, 0.7), (0.8, 0.7), (0.8, 1.0), (0.9, 1.0)]
    assert np.allclose(np.transpose([x, y]), corners)
