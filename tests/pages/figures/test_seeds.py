from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discretevae.pages.figures import PALETTE, plot_seeds
from discretevae.pages.figures.style import DPI

GROUPS = ("codes", "probabilities", "UMAP", "pixels")
LONG = "straight-through Gumbel-Softmax with 32 latents of 10 categories"


def made_up(
    seeds: int,
    groups: tuple[str, ...] = GROUPS,
    names: tuple[str, ...] = ("NMI", "ARI", "accuracy"),
) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {name: {group: rng.random(seeds) for group in groups} for name in names}


def drawn(ax: Axes, marker: str) -> list[Line2D]:
    return [line for line in ax.lines if line.get_marker() == marker]


def references(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if to_hex(line.get_color()) == PALETTE["vermillion"].lower()]


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def check_room(figure: Figure) -> None:
    """Panels with all their texts and the legend lie inside the figure and apart."""
    figure.set_dpi(DPI)
    figure.canvas.draw()
    boxes = [figure.legends[0].get_window_extent().extents]
    for ax in figure.axes:
        shown = ax.get_yticklabels() if ax.yaxis.get_tick_params()["labelleft"] else []
        texts = [ax._left_title, *ax.texts, *ax.get_xticklabels(), *shown]
        boxes += [text.get_window_extent().extents for text in texts if text.get_text()]
    for box in boxes:
        assert (box[:2] >= figure.bbox.extents[:2] - 1).all()
        assert (box[2:] <= figure.bbox.extents[2:] + 1).all()
    for a, b in combinations(boxes, 2):
        assert not ((a[:2] + 1 < b[2:]) & (b[:2] + 1 < a[2:])).all()


def test_shows_every_seed_and_the_mean() -> None:
    scores = made_up(5)
    figure = plot_seeds(scores)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["NMI", "ARI", "accuracy"]
    for ax, groups in zip(figure.axes, scores.values(), strict=True):
        assert ax.get_xlim() == (0, 1)
        for row, (seeds, dots, mean) in enumerate(
            zip(groups.values(), drawn(ax, "o"), drawn(ax, "|"), strict=True)
        ):
            np.testing.assert_array_equal(dots.get_xdata(), seeds)
            np.testing.assert_array_less(np.abs(dots.get_ydata() - row), 0.3)
            np.testing.assert_allclose(mean.get_xydata(), [[np.mean(seeds), row]])
            assert to_hex(dots.get_color()) == PALETTE["blue"].lower()
        assert references(ax) == []
    first = figure.axes[0]
    assert tuple(label.get_text() for label in first.get_yticklabels()) == GROUPS
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first group is on top
    assert labels(figure) == ["one seed", "mean of the seeds"]
    check_room(figure)


def test_equal_seeds_are_all_seen() -> None:
    dots = drawn(plot_seeds({"NMI": {"codes": [0.5] * 5}}).axes[0], "o")[0]
    assert len(np.unique(dots.get_ydata())) == 5


def test_one_seed_is_its_own_mean() -> None:
    figure = plot_seeds(made_up(1))
    assert drawn(figure.axes[0], "|") == []
    assert labels(figure) == ["one seed"]
    check_room(figure)


def test_reference_lines() -> None:
    published = {"NMI": 0.62, "accuracy": 1.0}
    figure = plot_seeds(made_up(3), reference=published, reference_label="published")
    nmi, ari, accuracy = figure.axes
    for ax, value in ((nmi, 0.62), (accuracy, 1.0)):
        (line,) = references(ax)
        assert set(line.get_xdata()) == {value}
        assert line.is_dashed()
        assert [text.get_text() for text in ax.texts] == [f"{value:.2f}"]
    assert references(ari) == []
    assert labels(figure) == ["one seed", "mean of the seeds", "published"]
    check_room(figure)


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_long_names_fit(count: int, value: float) -> None:
    names = tuple(f"normalised mutual information {i}" for i in range(count))
    figure = plot_seeds(
        made_up(8, (LONG, "codes"), names),
        reference=dict.fromkeys(names, value),
        reference_label="as published " * 8,
    )
    check_room(figure)


def test_scores_below_zero_widen_all_axes() -> None:
    scores = {"ARI": {"codes": [-0.1, 0.2]}, "NMI": {"codes": [0.1, 0.2]}}
    figure = plot_seeds(scores, reference={"NMI": -0.2})
    for ax in figure.axes:
        assert ax.get_xlim()[0] < -0.2
        assert ax.get_xlim()[1] == 1
    assert figure.axes[1].texts[0].get_text() == "−0.20"
    check_room(figure)


def test_a_group_without_a_score_leaves_its_row_empty() -> None:
    figure = plot_seeds({"NMI": {"a": [0.1, 0.2]}, "ARI": {"b": [0.3, 0.4], "a": [0.5, 0.5]}})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert [line.get_ydata()[0] for line in drawn(figure.axes[0], "|")] == [0]
    means = {line.get_ydata()[0]: line.get_xdata()[0] for line in drawn(figure.axes[1], "|")}
    assert means == pytest.approx({0: 0.5, 1: 0.35})


@pytest.mark.parametrize(
    ("scores", "reference", "message"),
    [
        ({}, None, "`scores` must hold at least one score and one group, got no score"),
        ({"NMI": {"a": [0.1]}, "ARI": {}}, None, "got no group for 'ARI'"),
        ({"NMI": {"a": []}}, None, r"`scores\['NMI'\]\['a'\]` must hold a value .* \(0,\)"),
        ({"NMI": {"a": [0.5, 62.0]}}, None, r"`scores\['NMI'\]\['a'\]` must lie in .* got 62\.0"),
        ({"NMI": {"a": [np.nan]}}, None, r"`scores\['NMI'\]\['a'\]` must lie in .* got nan"),
        ({"NMI": {"a": [0.5]}}, {"ARI": 0.5}, r"`reference` .* \['NMI'\], got 'ARI'"),
        ({"NMI": {"a": [0.5]}}, {"NMI": 62.0}, r"`reference\['NMI'\]` must lie .* got 62\.0"),
    ],
)
def test_refuses(scores: dict, reference: dict | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_seeds(scores, reference=reference)
