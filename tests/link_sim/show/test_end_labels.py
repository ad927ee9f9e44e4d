import numpy as np
import pytest
from matplotlib.figure import Figure

from link_sim.show.end_labels import label_ends

X = [0.0, 2.0, 4.0]


def drawn(*curves):
    ax = Figure(figsize=(3.5, 2.5)).subplots()
    return ax, [ax.plot(X, y, label=f"curve-{i}")[0] for i, y in enumerate(curves)]


def test_names_stand_at_the_ends_inside_the_axes():
    ax, lines = drawn([1, 2, 3], [2, 1, 0], [3, 3.2, np.nan])
    before = ax.get_window_extent().width * 4 / 4.4
    assert label_ends(ax, lines)
    assert [text.get_text() for text in ax.texts] == ["curve-0", "curve-1", "curve-2"]
    assert [text.xy for text in ax.texts] == [(4, 3), (4, 0), (2, 3.2)]
    assert ax.texts[0].get_color() == lines[0].get_color()
    right = ax.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right for text in ax.texts)
    left, end = ax.transData.transform([(0, 0), (4, 0)])[:, 0]
    assert end - left < before


@pytest.mark.parametrize(
    "curves",
    [
        ([1, 2, 3], [2, 1, 3.05]),  # they end in the same place
        ([1, 2, np.nan], [3, 2, 2]),  # the name of one is under the other
        ([1, 2, 3], [np.nan] * 3),  # one has no end
    ],
)
def test_where_names_do_not_fit_the_axes_stay_as_they_were(curves):
    ax, lines = drawn(*curves)
    limits = ax.get_xlim()
    assert not label_ends(ax, lines)
    assert ax.get_xlim() == limits and not ax.texts


def test_the_strip_at_the_bottom_is_kept_free():
    ax, lines = drawn([2, 1, 0], [1, 2, 3])
    assert not label_ends(ax, lines, lowest=0.13)
    assert label_ends(ax, lines)


def test_long_names_are_left_to_the_legend():
    ax, lines = drawn([2, 1, 0])
    lines[0].set_label("a receiver of more words than a column has room for")
    assert not label_ends(ax, lines)
