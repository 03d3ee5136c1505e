"""Figures: arrays in, axes or a figure out; nothing about the model is computed here."""

from discretevae.figures.categories import plot_categories
from discretevae.figures.curves import plot_elbo_curves
from discretevae.figures.images import as_image
from discretevae.figures.reconstructions import plot_reconstructions
from discretevae.figures.samples import plot_samples
from discretevae.figures.style import PALETTE, new_axes, save
from discretevae.figures.traversals import plot_traversals
from discretevae.figures.usage import plot_usage

__all__ = [
    "PALETTE",
    "as_image",
    "new_axes",
    "plot_categories",
    "plot_elbo_curves",
    "plot_reconstructions",
    "plot_samples",
    "plot_traversals",
    "plot_usage",
    "save",
]
