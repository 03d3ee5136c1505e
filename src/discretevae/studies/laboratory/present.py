"""The laboratory's tables and figures."""

from pathlib import Path
from textwrap import fill

import numpy as np
from rich.table import Table

from discretevae.pages.figures import (
    new_axes,
    plot_bias_variance,
    plot_comparison,
    plot_error_seconds,
    save,
)
from discretevae.pages.terminal import print_table, table_of
from discretevae.studies.laboratory.compare import Comparison, MeanOfSeeds
from discretevae.studies.laboratory.gradients import GradientReport

__all__ = ["draw_comparison", "draw_gradients", "print_comparison", "print_gradients"]


def print_gradients(report: GradientReport) -> None:
    """Prints one row an estimator."""
    table = table_of(f"Gradient of E_q[{report.of}] for the logits, per example")
    table.add_column("estimator", no_wrap=True)
    for column in ("bias (95 %)", "var", "MSE", "cos", "ms", "f", "var×f"):
        table.add_column(column, no_wrap=True, justify="right")
    for row in report.rows:
        bias = row.relative_bias
        table.add_row(
            row.estimator,
            f"{bias.value:.2f} ({bias.low:.2f}–{bias.high:.2f})",
            _short(row.variance),
            _short(row.mean_squared_error),
            f"{row.cosine:.2f}",
            _short(1e3 * row.seconds),
            str(row.evaluations),
            _short(row.variance_times_evaluations),
        )
    print_table(table)
    norm = f"{report.gradient_norm:.3g} {report.unit}".rstrip()
    count = f"{report.examples} example" + "s" * (report.examples > 1)
    print(
        f"{count}, ‖∇‖ = {norm}, by {report.truth}"
        + f" ± {report.truth_relative_error:.1%}" * (report.truth_relative_error > 0)
        + f".\nbias: ‖E g − ∇‖ / ‖∇‖; variance and MSE of one estimate, in {report.unit or 'f'}²;\n"
        "ms: an estimate of the batch, backward pass included; f: evaluations an example."
    )
    if report.left_out:
        why = "f lacks what they ask for, a gradient or values between codes"
        print(fill(f"Left out, as {why}: {', '.join(report.left_out)}.", 80))


def draw_gradients(report: GradientReport, folder: Path) -> list[Path]:
    """Draws bias against variance, and error against seconds."""
    rows = report.rows
    names = [row.estimator for row in rows]
    unbiased = [row.claims_unbiased for row in rows]
    bias, low, high = (
        np.array([getattr(row.relative_bias, end) for row in rows])
        for end in ("value", "low", "high")
    )
    variance = np.array([row.variance for row in rows])
    error = np.array([row.relative_error for row in rows])
    seconds = np.array([row.seconds for row in rows])
    drawings = {
        "bias-variance.png": plot_bias_variance(
            names, bias, low, high, variance, unbiased, new_axes(height=5.2)
        ),
        "error-seconds.png": plot_error_seconds(
            names, error, seconds, unbiased, new_axes(height=5.2)
        ),
    }
    return [save(ax, folder / name) for name, ax in drawings.items()]


def print_comparison(comparison: Comparison) -> None:
    """Prints one row a contender; of models of a grid what is used of their codes, too."""
    seeds = comparison.rows[0].seeds
    spread = f"mean of {seeds} seeds ± half of the 95 % interval" if seeds > 1 else "one seed"
    table = table_of(f"True bounds in nats per example, {spread}")
    columns = {"seconds": ("seconds", 1), "train ELBO": ("train_elbo", 2)}
    columns |= {"test ELBO": ("test_elbo", 2), "log p(x)": ("log_likelihood", 2)}
    _print_rows(table, comparison, columns)
    codes = {"distortion": ("distortion", 2), "rate": ("rate", 2)}
    codes |= {"bits/dim": ("bits_per_dimension", 4), "used": ("used_codes", 2)}
    codes |= {"perplexity": ("perplexity", 1), "collisions": ("collisions", 3)}
    if any(row.used_codes for row in comparison.rows):
        _print_rows(table_of("Codes of the test examples"), comparison, codes)


def _print_rows(table: Table, comparison: Comparison, columns: dict[str, tuple[str, int]]) -> None:
    """Prints these figures of each row, with so many digits."""
    table.add_column("", no_wrap=True)
    table.add_column("epochs", no_wrap=True, justify="right")
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right")
    for row in comparison.rows:
        figures = [_interval(getattr(row, name), digits) for name, digits in columns.values()]
        table.add_row(row.name, str(row.epochs), *figures)
    print_table(table)


def draw_comparison(comparison: Comparison, path: Path) -> Path:
    """Draws the ELBO of every run against its seconds of training."""
    curves = {
        name: [(np.array(seconds), np.array(elbo)) for seconds, elbo in runs]
        for name, runs in comparison.curves.items()
    }
    ax = plot_comparison(curves)
    ax.set_ylabel(f"{comparison.curve_split} ELBO, nats per example")
    return save(ax, path)


def _short(value: float) -> str:
    """Two significant digits, the shortest way.

    Example:
        >>> _short(0.012345), _short(540.3), _short(1234567.0), _short(3.4e-7)
        ('0.012', '540', '1.2e6', '3.4e-7')
    """
    text = f"{value:.2g}" if not 100 <= value < 1e4 else f"{value:.0f}"
    return text.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _interval(value: MeanOfSeeds | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    text = f"{value.mean:.{digits}f}".replace("-", "−")
    return text if value.half_width is None else f"{text} ± {value.half_width:.{digits}f}"
