"""One reported number with its standard error and unit."""

import math
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Real
from torch import Tensor

__all__ = ["NATS", "Figure", "format_value", "mean_figure", "ratio_figure", "short_nats"]

NATS = "nats per example"


@dataclass(frozen=True)
class Figure:
    """A value (or one value for each latent) with its standard error, its unit and how it came.

    Example:
        >>> Figure(-98.2, 0.4, NATS).as_dict()
        {'value': -98.2, 'se': 0.4, 'unit': 'nats per example'}
    """

    value: float | list[float]
    se: float | None
    unit: str
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types for JSON; the note only where there is one."""
        plain = {"value": self.value, "se": self.se, "unit": self.unit}
        return plain | ({"note": self.note} if self.note else {})


def mean_figure(values: Float[Tensor, " N"], unit: str = NATS, note: str | None = None) -> Figure:
    r"""Averages over examples; the standard error is :math:`s / \sqrt{N}`.

    Example:
        >>> import torch
        >>> mean_figure(torch.tensor([1.0, 3.0]))
        Figure(value=2.0, se=1.0, unit='nats per example', note=None)
    """
    values = values.double()
    se = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    return Figure(float(values.mean()), se, unit, note)


def ratio_figure(
    totals: Float[Tensor, " N"], counts: Real[Tensor, " N"], unit: str, note: str | None = None
) -> Figure:
    r"""Divides a total over all examples by what is counted in all of them together.

    .. math:: r = \frac{\sum_n a_n}{\sum_n c_n}, \qquad
        \mathrm{se} = \frac{1}{\bar c} \sqrt{\frac{1}{N (N - 1)} \sum_n (a_n - r\, c_n)^2}

    The standard error is that of the delta method. Where all counts are alike, both are those of
    :func:`mean_figure`.

    Reference: Cochran, Sampling Techniques, 1977, eq. 6.13.

    Example:
        >>> import torch
        >>> ratio_figure(torch.tensor([2.0, 4.0]), torch.tensor([1, 3]), "bits per token")
        Figure(value=1.5, se=0.25, unit='bits per token', note=None)
    """
    a, c = totals.double(), counts.double()
    ratio = a.sum() / c.sum()
    residuals = a - ratio * c
    n = len(a)
    variance = residuals.square().sum() / (n * (n - 1)) if n > 1 else None
    se = None if variance is None else float(variance.sqrt() / c.mean().abs())
    return Figure(float(ratio), se, unit, note)


def short_nats(value: float) -> str:
    """Writes nats as a sentence has them, without their error.

    Example:
        >>> short_nats(-27.2139), short_nats(4.6871)
        ('−27.2', '4.69')
    """
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".replace("-", "−")


def _special(number: float | None) -> str:
    return "–" if number is None or math.isnan(number) else "∞" if number > 0 else "−∞"


def _plain(number: float) -> str:
    """Four significant digits; whole numbers in full."""
    size = abs(number)
    if size < 1e7 and number == int(number):
        return _fixed(number, 0)
    if 1e-4 <= size < 1e7:
        return _fixed(number, max(0, 3 - math.floor(math.log10(size))))
    return f"{number:.3e}".replace("-", "−")


def _fixed(number: float, decimals: int) -> str:
    text = f"{round(number, decimals):.{max(decimals, 0)}f}"
    negative = text.startswith("-") and float(text) != 0
    return ("−" if negative else "") + text.lstrip("-")


def format_value(value: float | None, se: float | None = None) -> str:
    """Writes `value` ± `se`, both rounded to the first digit of the standard error.

    Without a standard error, four significant digits. None and NaN become a dash.

    Raises:
        ValueError: If `se` is negative.

    Example:
        >>> format_value(-98.2345, 0.0412), format_value(1234.5, 38.0), format_value(None)
        ('−98.23 ± 0.04', '1230 ± 40', '–')
    """
    if se is not None and se < 0:
        raise ValueError(f"`se` must be non-negative, got {se}.")
    if value is None or not math.isfinite(value):
        return _special(value)
    if se is None or se == 0:
        return _plain(value) + ("" if se is None else " ± 0")
    if not math.isfinite(se):
        return f"{_plain(value)} ± {_special(se)}"
    decimals = -int(f"{se:.0e}".split("e")[1])  # rounded first: 0.096 is 0.1, one decimal
    error = _fixed(se, decimals) if decimals <= 6 else f"{se:.0e}".replace("-", "−")
    return f"{_fixed(value, min(decimals, 12))} ± {error}"
