"""Figures: arrays in, axes or a figure out; nothing about the model is computed here."""

from discretevae.pages.figures.beside import plot_curves_beside
from discretevae.pages.figures.bias_variance import plot_bias_variance
from discretevae.pages.figures.categories import plot_categories
from discretevae.pages.figures.code_grids import plot_code_grids
from discretevae.pages.figures.comparison import plot_comparison
from discretevae.pages.figures.curves import plot_elbo_curves
from discretevae.pages.figures.embedding import plot_embedding
from discretevae.pages.figures.error_seconds import plot_error_seconds
from discretevae.pages.figures.images import as_image
from discretevae.pages.figures.models import plot_model_reconstructions
from discretevae.pages.figures.reconstructions import plot_reconstructions
from discretevae.pages.figures.samples import plot_samples
from discretevae.pages.figures.seeds import plot_seeds
from discretevae.pages.figures.style import PALETTE, new_axes, save
from discretevae.pages.figures.traversals import plot_traversals
from discretevae.pages.figures.usage import plot_usage

__all__ = [
    "PALETTE",
    "as_image",
    "new_axes",
    "plot_bias_variance",
    "plot_categories",
    "plot_code_grids",
    "plot_comparison",
    "plot_curves_beside",
    "plot_elbo_curves",
    "plot_embedding",
    "plot_error_seconds",
    "plot_model_reconstructions",
    "plot_reconstructions",
    "plot_samples",
    "plot_seeds",
    "plot_traversals",
    "plot_usage",
    "save",
]
