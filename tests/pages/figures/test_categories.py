"""The rows of both figures of latents are those asked for, in their order."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from discretevae.pages.figures import plot_categories, plot_traversals


def rows_of(figure: Figure) -> list[tuple[str, float]]:
    """The label of each row, and the shade of its first picture."""
    ax = figure.axes[0]
    labels = [t.get_text() for t in ax.texts if t.get_text().startswith("latent")]
    labels = labels or [t.get_text() for t in ax.get_yticklabels()]
    images = ax.images[:: len(ax.images) // len(labels)]
    return [(label, float(np.mean(i.get_array()))) for label, i in zip(labels, images, strict=True)]


@pytest.mark.parametrize("kind", ["categories", "traversals"])
def test_latents_are_drawn_in_the_order_asked_for(kind: str) -> None:
    shades = np.array([0.1, 0.5, 0.9])
    decoded = np.tile(shades[:, None, None, None], (1, 4, 3, 3))
    latents = [2, 0]
    if kind == "categories":
        figure = plot_categories(decoded, np.array([0, 1, 2]), (3, 3), latents=latents)
        assert len(figure.axes[0].patches) == 2
    else:
        figure = plot_traversals(decoded, np.linspace(-1, 1, 4), (3, 3), latents=latents)
    assert rows_of(figure) == [("latent 2", pytest.approx(0.9)), ("latent 0", pytest.approx(0.1))]
