"""Bounds and objectives over the epochs of training."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from discretevae.pages.figures.style import INK, PALETTE, new_axes, set_titles
from discretevae.texts import for_figure

__all__ = ["limits_of_later", "plot_elbo_curves"]

_COLOURS = [PALETTE[name] for name in ("blue", "vermillion", "green", "purple", "orange", "black")]
_STROKES = ("-", "-", "--", "-.", ":", "-")  # the trained surrogate, third, is no bound: dashed


def limits_of_later(
    epochs: Float[np.ndarray, " T"] | Int[np.ndarray, " T"], values: Float[np.ndarray, "N T"]
) -> tuple[float, float]:
    """The range that shows the later epochs well; that of all epochs if it is little wider.

    Example:
        >>> low, high = limits_of_later(np.arange(20), np.r_[-5000, np.linspace(-9, -8, 19)][None])
        >>> low > -10
        True
    """
    late = epochs >= epochs.min() + 0.1 * np.ptp(epochs)
    everything, later = (v[np.isfinite(v)] for v in (values, values[:, late]))
    later = later if len(later) >= 4 else everything
    if len(later) == 0:
        return -1.0, 0.0
    low, high = np.quantile(later, [0.1, 0.9])
    reach = 4 * (high - low) + 1e-6 * abs(high)
    core = later[(later >= low - reach) & (later <= high + reach)]
    if np.ptp(everything) <= 2.5 * np.ptp(core):
        core = everything
    margin = 0.06 * np.ptp(core) or 0.05 * abs(core.max()) or 1.0
    return float(core.min() - margin), float(core.max() + margin)


def _extremes(
    where: str, epochs: np.ndarray, curves: Mapping[str, np.ndarray], limit: float
) -> str:
    """Names the curves that go on beyond `limit`, how far, and in which epoch."""
    sign = -1 if where == "below" else 1
    cut = []
    for label, value in curves.items():
        beyond = np.where(np.isfinite(value), sign * value, -np.inf)
        if beyond.max() > sign * limit:
            level = f"{value[beyond.argmax()]:.4g}".replace("-", "−")
            cut.append(f"{label} ({level} in epoch {epochs[beyond.argmax()]:g})")
    return f"cut {where} the axis: {', '.join(cut)}" if cut else ""


def _checked(
    epochs: Sequence[float] | np.ndarray, curves: Mapping[str, Sequence[float] | np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    steps = np.asarray(epochs, float)
    if steps.ndim != 1 or steps.size == 0 or not curves:
        raise ValueError(
            f"`epochs` and `curves` must hold at least one epoch and one curve, "
            f"got {steps.size} and {len(curves)}."
        )
    values = {label: np.asarray(curve, float) for label, curve in curves.items()}
    for label, value in values.items():
        if value.shape != steps.shape:
            raise ValueError(
                f"`curves[{label!r}]` must have one value for each of the {steps.size} epochs, "
                f"got the shape {value.shape}."
            )
    return steps, values


def _dress(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(axis="y", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel("epoch", color=INK)
    ax.set_ylabel("nats per example", color=INK)
    ax.legend(frameon=True, framealpha=0.9, edgecolor="none", fontsize=9.5)


def plot_elbo_curves(
    epochs: Sequence[float] | np.ndarray,
    curves: Mapping[str, Sequence[float] | np.ndarray],
    ax: Axes | None = None,
) -> Axes:
    """Draws curves in nats per example over `epochs`, each under its name.

    Epochs without a value (NaN) are passed over. First epochs far from the rest do not squash it:
    the axis shows the later part, and a line below the title says what was cut.

    Raises:
        ValueError: If there is no epoch or no curve, or a curve has another length than `epochs`.

    Example:
        >>> ax = plot_elbo_curves([1, 2, 3], {"train ELBO": [-150, -130, -125]})
        >>> ax.get_ylabel()
        'nats per example'
    """
    steps, values = _checked(epochs, curves)
    ax = ax or new_axes()
    low, high = limits_of_later(steps, np.stack(list(values.values())))
    for i, (label, value) in enumerate(values.items()):
        kept = np.isfinite(value)
        ax.plot(
            steps[kept],
            value[kept],
            color=_COLOURS[i % len(_COLOURS)],
            linestyle=_STROKES[i % len(_STROKES)],
            marker="o" if kept.sum() <= 12 else None,
            markersize=4,
            linewidth=1.8,
            label=for_figure(label if kept.any() else f"{label} (no values)"),
        )
    room = 0.03 * max(np.ptp(steps), 1.0)
    ax.set(xlim=(steps.min() - room, steps.max() + room), ylim=(low, high))
    _dress(ax)
    if not any(np.isfinite(value).any() for value in values.values()):
        ax.set_yticks([])
    cuts = [
        _extremes(*cut) for cut in (("below", steps, values, low), ("above", steps, values, high))
    ]
    set_titles(ax, "The bound while training", "; ".join(filter(None, cuts)))
    return ax
