"""How often latents are active, and how an autoencoder was trained."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from discretevae.pages.figures.style import INK, PALETTE, new_axes, set_titles

__all__ = ["plot_density", "plot_fvu"]

LEAST = 1e-7


def plot_density(density: Float[np.ndarray, " m"], ax: Axes | None = None) -> Axes:
    """Draws a histogram of the shares of activations in which latents are active.

    Example:
        >>> plot_density(np.array([0.0, 0.01, 0.1])).get_xscale()
        'log'
    """
    ax = ax or new_axes(height=3.0)
    alive = density[density > 0]
    low = max(LEAST, float(alive.min())) if len(alive) else LEAST
    bins = np.logspace(np.log10(low) - 0.1, 0.05, 50)
    ax.hist(alive, bins=bins.tolist(), color=PALETTE["blue"])
    ax.set_xscale("log")
    ax.set_xlabel("share of activations in which a latent is active", color=INK)
    ax.set_ylabel("latents", color=INK)
    set_titles(ax, "Density", f"{len(density) - len(alive):,} of {len(density):,} are never active")
    return ax


def plot_fvu(
    steps: Sequence[float], train: Sequence[float], test: Sequence[float], ax: Axes | None = None
) -> Axes:
    """Draws the variance unexplained over the steps of training.

    Example:
        >>> plot_fvu([1, 2], [0.5, 0.4], [0.5, 0.3]).get_ylabel()
        'fraction of variance unexplained'
    """
    ax = ax or new_axes(height=3.0)
    ax.plot(steps, train, "--", color=PALETTE["vermillion"], label="in training")
    ax.plot(steps, test, color=PALETTE["blue"], label="held out, averaged weights")
    ax.set_xlabel("step", color=INK)
    ax.set_ylabel("fraction of variance unexplained", color=INK)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=9.5)
    set_titles(ax, "While training")
    return ax
