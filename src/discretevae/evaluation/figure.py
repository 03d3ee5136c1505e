"""One reported number with its standard error and unit."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Real
from torch import Tensor

__all__ = ["NATS", "Figure", "mean_figure", "ratio_figure"]

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
