from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from discretevae.pages.figures import new_axes, plot_samples, save
from discretevae.pages.figures.style import set_titles, wrap


def test_save_takes_axes_and_figures(tmp_path: Path) -> None:
    ax = new_axes()
    for drawing in (ax, ax.figure):
        path = save(drawing, tmp_path / "new" / "figure.png")
        assert imread(path).shape[1] > 1000
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]


def test_a_failing_figure_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"whole")
    ax = new_axes()
    ax.set_xlabel("$\\broken$")  # fails only when it is drawn
    with pytest.raises(ValueError, match="broken"):
        save(ax, path)
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_only_png(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`path` must end in \.png, got .*figure\.pdf"):
        save(new_axes(), tmp_path / "figure.pdf")


def test_sides_are_positive() -> None:
    with pytest.raises(ValueError, match=r"`height` must be positive \(inches\), got 0"):
        new_axes(height=0)


def test_figures_are_as_wide_as_each_other() -> None:
    sheet = plot_samples(np.zeros((3, 8, 8)), (8, 8))
    assert sheet.get_figwidth() == new_axes().get_figure().get_figwidth()


def test_titles_stay_inside_the_figure() -> None:
    ax = new_axes()
    set_titles(ax, "A title", "many words " * 40)
    ax.figure.canvas.draw()
    inside = ax.figure.bbox
    for text in (*ax.texts, ax._left_title):
        box = text.get_window_extent()
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert box.y1 <= inside.y1


def test_wrap_keeps_every_word() -> None:
    assert " ".join(wrap("many words " * 40)).split() == ["many", "words"] * 40
