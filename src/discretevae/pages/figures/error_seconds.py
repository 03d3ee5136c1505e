"""The error of one gradient estimate against the time that it takes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from discretevae.pages.figures.points import (
    checked_columns,
    draw_points,
    dress_points,
    label_points,
    listed,
    stretch_axis,
    zero_if_rounding,
)
from discretevae.pages.figures.style import new_axes, set_titles

__all__ = ["pareto_front", "plot_error_seconds"]


def pareto_front(
    seconds: Float[np.ndarray, " N"], error: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "F 2"]:
    """The points (seconds, error) than which none is both as fast and as accurate, fastest first.

    Example:
        >>> pareto_front(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.7, 0.1]))
        array([[1. , 0.5],
               [3. , 0.1]])
    """
    points = np.stack([seconds, error], 1)[np.lexsort((error, seconds))]
    best_before = np.minimum.accumulate(np.append(np.inf, points[:, 1]))[:-1]
    return points[points[:, 1] < best_before]


def _draw_front(
    ax: Axes, seconds: Float[np.ndarray, " N"], error: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "M 4"]:
    """Draws the front from edge to edge; returns its steps as boxes."""
    front = pareto_front(seconds, error)
    if len(front) == 0:
        return np.zeros((0, 4))
    right, top = ax.get_xlim()[1], ax.get_ylim()[1]
    path = np.concatenate([[[front[0, 0], top]], front, [[right, front[-1, 1]]]])
    ax.step(*path.T, where="post", color="#C4C4C4", linewidth=1.6, label="Pareto front", zorder=1.5)
    across = np.stack([path[:-1, 0], path[:-1, 1], path[1:, 0], path[:-1, 1]], 1)
    down = np.stack([path[1:, 0], path[1:, 1], path[1:, 0], path[:-1, 1]], 1)
    return np.concatenate([across[1:], down])


def plot_error_seconds(
    names: Sequence[str],
    error: Sequence[float] | np.ndarray,
    seconds: Sequence[float] | np.ndarray,
    unbiased: Sequence[bool] | np.ndarray,
    ax: Axes | None = None,
) -> Axes:
    """Draws the error of one gradient estimate against its seconds, and the Pareto front.

    Errors of zero lie on the bottom edge, and so do those that are zero but for rounding: less
    than 1e-6 of the median. Estimators without an error or a time (NaN) are named, not drawn.

    Arguments:
        error: The root mean squared error, as a share of the norm of the true gradient.
        seconds: Of one estimate.
        unbiased: Which estimators claim to have no bias.

    Raises:
        ValueError: If there is no name, an array has another length than `names`, an error is
            negative, or a time is not positive.

    Example:
        >>> ax = plot_error_seconds(["rloo", "reinmax"], [2, 0.8], [1e-3, 2e-3], [True, False])
        >>> ax.get_xlabel()
        'seconds of one estimate'
    """
    columns = {"error": error, "seconds": seconds, "unbiased": unbiased}
    e, s, claim = checked_columns(names, columns)
    if (s == 0).any():
        raise ValueError("`seconds` must be positive, got 0.0.")
    ax = ax or new_axes(height=4.8)
    e = zero_if_rounding(e, share=1e-6)
    drawn = np.isfinite(e) & np.isfinite(s)
    e, s, claim = e[drawn], s[drawn], claim[drawn] > 0

    stretch_axis(ax, "x", s)
    stretch_axis(ax, "y", e)
    steps = _draw_front(ax, s, e)
    draw_points(ax, s, e, claim)
    dress_points(ax, "seconds of one estimate", "error / norm of the true gradient")

    kept = [name for name, one in zip(names, drawn, strict=True) if one]
    remarks = [
        "error: root mean square",
        listed("error zero, on the bottom edge", kept, e == 0),
        listed("not drawn, without a value", names, ~drawn),
    ]
    set_titles(ax, "Error and time of a gradient estimate", "; ".join(filter(None, remarks)))
    label_points(ax, kept, np.stack([s, e], 1), steps)
    return ax
