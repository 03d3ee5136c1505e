"""How often the categories of a code are used."""

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.ticker import FuncFormatter, MaxNLocator

from discretevae.pages.figures.style import INK, PALETTE, new_axes, set_titles

__all__ = ["DEAD", "plot_usage"]

DEAD = 1e-3
"""A category used less often than this share of the time counts as dead."""


_CROSSES_UP_TO = 20  # rows or columns: beyond, a cross is smaller than its strokes


def _check(usage: np.ndarray) -> None:
    if usage.size == 0:
        raise ValueError(f"`usage` must hold at least one category, got {usage.shape}.")
    if not np.all(usage >= 0):
        raise ValueError(f"`usage` must be non-negative, got {usage.min()}.")
    total = usage.sum(1)
    if np.abs(total - 1).max() > 1e-2:
        worst = total[np.abs(total - 1).argmax()]
        raise ValueError(f"`usage` must have rows that sum to one, got {worst}.")


def _colour_bar(ax: Axes, image: ScalarMappable, num_categories: int) -> None:
    """A scale with a line where each category would stand if all were used alike."""
    figure = ax.figure.figure
    thickness = 5 * figure.get_figheight()  # the bar is as wide on a low figure as on a high one
    bar = figure.colorbar(image, ax=ax, pad=0.02, fraction=0.06, aspect=thickness)
    for spine in bar.ax.spines.values():
        spine.set_visible(False)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    bar.ax.tick_params(labelsize=9, colors=INK)
    bar.ax.axhline(1 / num_categories, color=PALETTE["vermillion"], lw=2.5)
    bar.set_label("share of examples", fontsize=9.5, color=INK)


def _write_shares(ax: Axes, usage: np.ndarray, vmax: float) -> None:
    for (d, k), share in np.ndenumerate(usage):
        if share >= DEAD:
            colour = "white" if share > 0.55 * vmax else INK
            text = f"{100 * share:.0f}" if share >= 0.01 else "<1"
            ax.text(k, d, text, ha="center", va="center", fontsize=9, color=colour)


def _remark(dead: int, usage: np.ndarray) -> str:
    even = f"line on the scale: the even share 1/{usage.shape[1]} = {100 / usage.shape[1]:.3g}\xa0%"
    orange = f"; orange: dead, used by less than {100 * DEAD:g}\xa0%" if dead else ""
    return f"{dead} of {usage.size} categories are dead; {even}{orange}"


def _label(ax: Axes, num_latents: int, num_categories: int) -> None:
    for axis, count in ((ax.xaxis, num_categories), (ax.yaxis, num_latents)):
        axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
        if count <= 20:
            axis.set_ticks(range(count))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("category", color=INK)
    ax.set_ylabel("latent", color=INK)


def plot_usage(usage: Float[np.ndarray, "D K"], ax: Axes | None = None) -> Axes:
    """Draws how often each category of each latent is used, as a heat map of latents × categories.

    The colour bar marks the even share 1/K; categories used less than 0.1 % of the time are dead
    and drawn in orange, with a cross where there is room.

    Arguments:
        usage: The aggregate posterior: shares of examples, rows sum to one.

    Raises:
        ValueError: If `usage` is empty, negative, or has a row that does not sum to one.

    Example:
        >>> ax = plot_usage(np.full((4, 8), 1 / 8))
        >>> ax.images[0].get_array().shape
        (4, 8)
    """
    _check(usage)
    num_latents, num_categories = usage.shape
    ax = ax or new_axes(height=float(np.clip(1.5 + 0.3 * num_latents, 2.2, 8.0)))
    vmax = max(float(usage.max()), min(1.0, 2 / num_categories))
    shades = colormaps["Blues"].with_extremes(under="#F8D3B8")
    image = ax.imshow(usage, shades, vmin=DEAD, vmax=vmax, aspect="auto", interpolation="nearest")
    _colour_bar(ax, image, num_categories)
    if num_categories <= 16 and num_latents <= 20:
        _write_shares(ax, usage, vmax)
    dead = np.argwhere(usage < DEAD)
    if max(usage.shape) <= _CROSSES_UP_TO:
        size = 0.2 * 72 * 5 / max(num_categories, 2 * num_latents, 10)
        ax.plot(dead[:, 1], dead[:, 0], "x", ms=size, mew=size / 5, color=PALETTE["vermillion"])
    _label(ax, num_latents, num_categories)
    set_titles(ax, "How often each category is used", _remark(len(dead), usage))
    return ax
