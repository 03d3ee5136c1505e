"""What the estimators with samples and a temperature share."""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from discretevae.estimators.base import require_positive
from discretevae.estimators.sampled import Sampled

__all__ = ["Tempered"]


@dataclass(frozen=True)
class Tempered(Sampled, ABC):
    """An estimator that follows the gradient of f along a softmax of some temperature.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.
    """

    temperature: float = 1.0

    unbiased: ClassVar[bool] = False
    needs_gradient_of_f: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.temperature)
