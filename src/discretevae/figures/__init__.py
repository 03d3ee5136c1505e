"""Figures: arrays in, axes or a figure out; nothing about the model is computed here."""

from discretevae.figures.beside import plot_curves_beside
from discretevae.figures.bias_variance import plot_bias_variance
from discretevae.figures.categories import plot_categories
from discretevae.figures.comparison import plot_comparison
from discretevae.figures.curves import plot_elbo_curves
from discretevae.figures.embedding import plot_embedding
from discretevae.figures.error_seconds import plot_error_seconds
from discretevae.figures.images import as_image
from discretevae.figures.models import plot_model_reconstructions
from discretevae.figures.reconstructions import plot_reconstructions
from discretevae.figures.samples import plot_samples
from discretevae.figures.seeds import plot_seeds
from discretevae.figures.style import PALETTE, new_axes, save
from discretevae.figures.traversals import plot_traversals
from discretevae.figures.usage import plot_usage

__all__ = [
    "PALETTE",
    "as_image",
    "new_axes",
    "plot_bias_variance",
    "plot_categories",
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
