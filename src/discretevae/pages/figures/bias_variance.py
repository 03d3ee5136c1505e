"""Bias against variance of gradient estimators."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from discretevae.pages.figures.points import (
    checked_columns,
    draw_points,
    dress_points,
    label_points,
    listed,
    stretch_axis,
    zero_if_rounding,
)
from discretevae.pages.figures.style import PALETTE, new_axes, set_titles

__all__ = ["plot_bias_variance"]


def _stretch_bias(ax: Axes, low: Float[np.ndarray, " N"], high: Float[np.ndarray, " N"]) -> None:
    """Makes the axis linear up to the bias that most measurements can see, logarithmic beyond."""
    top = np.max(high, initial=0) or 1.0
    seen = np.median(high[low <= 0]) if (low <= 0).any() else np.min(low, initial=np.inf)
    linear = np.clip(seen, top / 1000, top / 10)
    ax.set_yscale("symlog", linthresh=linear, linscale=0.6, subs=range(2, 10))
    ax.set_ylim(0, 1.2 * top)
    ticks = np.outer(10.0 ** np.arange(-12, 13), [1, 2, 5]).ravel()
    ax.set_yticks([0, *ticks[(ticks >= linear) & (ticks <= 1.2 * top)]])


def plot_bias_variance(
    names: Sequence[str],
    bias: Sequence[float] | np.ndarray,
    bias_low: Sequence[float] | np.ndarray,
    bias_high: Sequence[float] | np.ndarray,
    variance: Sequence[float] | np.ndarray,
    unbiased: Sequence[bool] | np.ndarray,
    ax: Axes | None = None,
) -> Axes:
    """Draws the relative bias of estimators against their variance, one labelled point each.

    Variances of zero lie on the left edge, and so do those that are zero but for rounding: less
    than 1e-12 of the median. Estimators without a bias or a variance (NaN) are named, not drawn.

    Arguments:
        bias: The norm of the bias, as a share of that of the true gradient.
        bias_low: The lower ends of the 95 % intervals of `bias`; below zero, drawn from zero on.
        bias_high: The upper ends.
        variance: Of one estimate of the gradient.
        unbiased: Which estimators claim to have no bias.

    Raises:
        ValueError: If there is no name, an array has another length than `names`, a bias or a
            variance is negative, or a bias lies outside its interval.

    Example:
        >>> ax = plot_bias_variance(
        ...     ["rloo", "reinmax"], [0.01, 0.2], [0, 0.18], [0.02, 0.22], [3, 0.5], [True, False]
        ... )
        >>> [text.get_text() for text in ax.texts[1:]]
        ['rloo', 'reinmax']
    """
    columns = {"bias": bias, "bias_low": bias_low, "bias_high": bias_high, "variance": variance}
    b, low, high, v, claim = checked_columns(names, {**columns, "unbiased": unbiased})
    outside = (b < low) | (b > high)
    if outside.any():
        i = int(outside.argmax())
        raise ValueError(
            f"`bias` must lie between `bias_low` and `bias_high`, "
            f"got {b[i]} outside [{low[i]}, {high[i]}] for {names[i]}."
        )
    ax = ax or new_axes(height=4.8)
    v = zero_if_rounding(v, share=1e-12)
    drawn = np.isfinite(b) & np.isfinite(v)
    low, high = np.where(np.isnan(low), b, np.maximum(low, 0)), np.where(np.isnan(high), b, high)
    b, low, high, v, claim = b[drawn], low[drawn], high[drawn], v[drawn], claim[drawn] > 0

    stretch_axis(ax, "x", v)
    _stretch_bias(ax, low, high)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    for chosen, colour in ((claim, PALETTE["blue"]), (~claim, PALETTE["vermillion"])):
        ax.vlines(v[chosen], low[chosen], high[chosen], colour, lw=1.2, alpha=0.45, clip_on=False)
    draw_points(ax, v, b, claim)
    dress_points(ax, "variance of one estimate", "bias / norm of the true gradient")

    kept = [name for name, one in zip(names, drawn, strict=True) if one]
    remarks = [
        "bars: 95\xa0% intervals of the bias",
        listed("variance zero, on the left edge", kept, v == 0),
        listed("not drawn, without a value", names, ~drawn),
    ]
    set_titles(ax, "Bias and variance of a gradient estimate", "; ".join(filter(None, remarks)))
    label_points(ax, kept, np.stack([v, b], 1), np.stack([v, low, v, high], 1))
    return ax
