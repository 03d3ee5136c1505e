"""What the points with samples and a temperature share."""

from abc import ABC
from dataclasses import dataclass

from discretevae.estimators.estimator import require_positive
from discretevae.estimators.point import Point

__all__ = ["Tempered"]


@dataclass(frozen=True)
class Tempered(Point, ABC):
    """A point that follows the gradient of f along a softmax of some temperature.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.temperature)
