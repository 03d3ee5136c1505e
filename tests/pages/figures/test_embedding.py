from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.text import Text

from discretevae.pages.figures import PALETTE, new_axes, plot_embedding
from discretevae.pages.figures.embedding import COLOURS, _check
from discretevae.pages.figures.style import DPI, set_titles


def clusters(count: int, n: int = 600, spread: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    groups = np.arange(n) % count
    return rng.normal(size=(count, 2))[groups] * spread + rng.normal(size=(n, 2)), groups


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def names(ax: Axes) -> list[Text]:
    """What is written at the groups, without leader lines and the line below the title."""
    return [text for text in ax.texts if text.get_text() and text.xycoords == "data"]


def check_texts(ax: Axes) -> None:
    """No name overlaps another or leaves the axes, and the legend fits in the saved file."""
    figure = ax.figure.canvas.figure
    figure.set_dpi(DPI)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text).extents for text in names(ax)]
    for a, b in combinations(boxes, 2):
        assert not ((a[:2] < b[2:]) & (b[:2] < a[2:])).all()
    for box in boxes:
        assert (box[:2] >= ax.bbox.extents[:2] - 1).all()
        assert (box[2:] <= ax.bbox.extents[2:] + 1).all()
    legend = ax.get_legend().get_window_extent()
    assert legend.x0 > ax.bbox.x1
    assert legend.x1 <= figure.bbox.x1
    assert legend.y0 >= figure.bbox.y0
    assert legend.y1 <= ax.bbox.y1 + 1


def test_every_point_has_the_colour_of_its_group() -> None:
    points, groups = clusters(10)
    ax = plot_embedding(points, groups)
    (drawn,) = ax.collections
    places, colours = np.asarray(drawn.get_offsets()), drawn.get_facecolors()
    assert len(places) == len(points)
    expected = {tuple(p): COLOURS[g].lower() for p, g in zip(points, groups, strict=True)}
    assert {tuple(p): to_hex(c) for p, c in zip(places, colours, strict=True)} == expected
    assert drawn.get_linewidths() == [0]


def test_no_group_is_drawn_last() -> None:
    points, groups = clusters(2)
    points, groups = points[np.argsort(groups)], np.sort(groups)
    first, second = (plot_embedding(points, groups).collections[0] for _ in range(2))
    np.testing.assert_array_equal(first.get_offsets(), second.get_offsets())
    last = [to_hex(c) for c in first.get_facecolors()[-100:]]
    assert 20 < last.count(COLOURS[1].lower()) < 80


def test_names_stand_at_the_medians() -> None:
    points, groups = clusters(3, spread=30)
    ax = plot_embedding(points, groups, ["shirt", "bag", "boot"])
    assert [text.get_text() for text in names(ax)] == labels(ax) == ["shirt", "bag", "boot"]
    for g, text in enumerate(names(ax)):
        np.testing.assert_allclose(text.xy, np.median(points[groups == g], 0))
        assert text.xyann == (0, 0)


@pytest.mark.parametrize("count", [1, 2, 10, 25, 40])
@pytest.mark.parametrize("spread", [0.0, 8.0])
@pytest.mark.parametrize("name", ["{}", "group {} of a very long name that goes on"])
def test_texts_neither_overlap_nor_leave(count: int, spread: float, name: str) -> None:
    points, groups = clusters(count, spread=spread)
    ax = plot_embedding(points, groups, [name.format(i) for i in range(count)])
    assert len(labels(ax)) == count
    set_titles(ax, "t-SNE of the codes", "a remark")
    check_texts(ax)
    title = ax._left_title.get_window_extent()
    assert title.y0 > ax.bbox.y1
    assert title.y1 <= ax.figure.bbox.y1


def test_names_at_equal_medians_would_be_caught() -> None:
    ax = plot_embedding(*clusters(10, spread=0.0))
    for text in names(ax):
        text.xyann = (0, 0)
    with pytest.raises(AssertionError):
        check_texts(ax)


def test_leaders_lie_below_the_names() -> None:
    ax = plot_embedding(*clusters(10, spread=0.0))
    leaders = [text for text in ax.texts if text.arrow_patch]
    assert leaders
    assert max(one.get_zorder() for one in leaders) < min(n.get_zorder() for n in names(ax))


def test_forty_groups_differ_in_colour_or_marker() -> None:
    points, groups = clusters(40)
    ax = plot_embedding(points, groups)
    looks = {(h.get_color(), h.get_marker()) for h in ax.get_legend().legend_handles}
    assert len(looks) == 40
    (drawn,) = ax.collections
    shapes = zip(drawn.get_facecolors(), drawn.get_paths(), strict=True)
    assert len({(to_hex(c), path.vertices.tobytes()) for c, path in shapes}) == 40


def test_beyond_forty_groups_a_colour_bar() -> None:
    points, groups = clusters(41)
    ax = plot_embedding(points, 10 * groups, {10 * g: f"group {g}" for g in range(41)})
    ax.figure.canvas.draw()
    assert ax.get_legend() is None
    assert names(ax) == []
    bar = ax.figure.axes[1]
    assert "group 20" in [label.get_text() for label in bar.get_yticklabels()]
    (drawn,) = ax.collections
    where = {tuple(p): g for p, g in zip(points, groups, strict=True)}
    shown = zip(np.asarray(drawn.get_offsets()), drawn.get_array(), strict=True)
    assert all(where[tuple(p)] == rank for p, rank in shown)


def test_names_by_number() -> None:
    points, _ = clusters(1, n=4)
    groups = np.array([7, -1, 7, -1])
    assert labels(plot_embedding(points, groups, {-1: "noise", 7: "bag"})) == ["noise", "bag"]
    assert labels(plot_embedding(points, groups)) == ["-1", "7"]


def test_without_groups_one_colour_and_no_legend() -> None:
    ax = plot_embedding(clusters(3)[0])
    assert {to_hex(c) for c in ax.collections[0].get_facecolors()} == {PALETTE["blue"].lower()}
    assert ax.get_legend() is None
    assert names(ax) == []


def test_axes_have_no_unit() -> None:
    ax = plot_embedding(*clusters(3))
    ax.figure.canvas.draw()
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    assert ax.get_aspect() == 1
    (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)])
    assert x1 - x0 == pytest.approx(y1 - y0)


def test_draws_where_told_and_keeps_the_title() -> None:
    ax = new_axes()
    set_titles(ax, "mine")
    assert plot_embedding(*clusters(3), ax=ax) is ax
    assert ax.get_title(loc="left") == "mine"
    assert plot_embedding(*clusters(3)).get_title(loc="left") == ""


@pytest.mark.parametrize("n", [1, 2])
def test_few_points(n: int) -> None:
    ax = plot_embedding(np.zeros((n, 2)), np.arange(n), ["a", "b"])
    check_texts(ax)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((0, 2)),), r"`points` must have the shape \(N, 2\) .* got \(0, 2\)"),
        ((np.array([[0.0, np.nan]]),), "`points` must be finite, got nan"),
        (
            (np.zeros((2, 2)), np.array([0, 2]), ["a", "b"]),
            "`names` must name every group, got none for group 2",
        ),
        ((np.zeros((1, 2)), np.array([-1]), ["a"]), "got none for group -1"),
        ((np.zeros((1, 2)), np.array([3]), {2: "a"}), "got none for group 3"),
    ],
)
def test_refuses(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_embedding(*arguments)


def test_refuses_shapes_that_do_not_fit() -> None:  # tests check the annotations before
    with pytest.raises(ValueError, match=r"`points` must have the shape .* got \(4, 3\)"):
        _check(np.zeros((4, 3)), None)
    with pytest.raises(ValueError, match=r"`groups` must have one .* 4 points, got .* \(3,\)"):
        _check(np.zeros((4, 2)), np.zeros(3, int))
