import matplotlib

from link_sim.show.styles import receiver_styles, typeset

IMAGE = (
    "perfect-csi", "perfect-csi+pixel-bayes", "perfect-csi+turbo",
    "lmmse", "lmmse+pixel-bayes", "lmmse+ddpm", "lmmse+ddpm-soft", "lmmse+turbo",
    "score", "score+turbo", "ls", "ls+turbo",
)  # fmt: skip


def test_colours_are_those_of_estimators_and_markers_of_the_rest():
    styles = receiver_styles(IMAGE)
    pairs = [(x, y) for x in IMAGE for y in IMAGE]
    for x, y in pairs:
        (head, *tail), (other, *rest) = (name.split("+") for name in (x, y))
        assert (styles[x]["color"] == styles[y]["color"]) == (head == other)
        assert (styles[x]["marker"] == styles[y]["marker"]) == (tail == rest)


def test_latex_reads_labels_as_they_are_meant():
    assert typeset("a_b <1 %") == "a_b <1 %"
    with matplotlib.rc_context({"text.usetex": True}):
        assert typeset("a_b <1 %") == r"a\_b $<$1 \%"


def test_bounds_are_dashed_beside_others_only():
    styles = receiver_styles(IMAGE)
    dashed = {name for name in IMAGE if styles[name]["linestyle"] == "--"}
    assert dashed == {name for name in IMAGE if name.startswith("perfect-csi")}
    alone = receiver_styles(["perfect-csi+ae", "perfect-csi+vae"])
    assert all(style["linestyle"] == "-" for style in alone.values())


def test_what_all_begin_with_is_left_out():
    styles = receiver_styles(["perfect-csi+ae", "perfect-csi+cdiff-8"])
    assert [style["label"] for style in styles.values()] == ["ae", "cdiff-8"]
    assert len({style["color"] for style in styles.values()}) == 2
    assert len({style["marker"] for style in styles.values()}) == 2
    both = receiver_styles(["ls", "ls+turbo"]).values()
    labels = [style["label"] for style in both]
    assert len({style["color"] for style in both}) == 2
    assert labels == ["ls", "+turbo"]
    assert receiver_styles(["ls"])["ls"]["label"] == "ls"
    assert receiver_styles([]) == {}
