"""What the estimators with a number of samples and nothing to leave out share."""

from abc import ABC
from dataclasses import dataclass

from discretevae.estimators.estimator import Estimator, require_samples

__all__ = ["Sampled"]


@dataclass(frozen=True)
class Sampled(Estimator, ABC):
    """An estimator that evaluates f at each of its samples.

    Arguments:
        samples: S ≥ 1.

    Raises:
        ValueError: If `samples` is below 1.
    """

    samples: int = 1

    def __post_init__(self) -> None:
        require_samples(self.samples, 1)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
