"""Bias, variance and error of a gradient estimate from replicates, with confidence intervals."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from scipy.stats import t as student
from torch import Tensor

__all__ = ["GROUPS", "Interval", "Moments", "Truth"]

GROUPS = 20
"""Groups of replicates: their means give the squared bias without bias, and its error."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Truth:
    """The true gradient for `logits`, or a long run's mean with its own error.

    Arguments:
        gradient: Of E f, example by example.
        squared_error: The expected squared error of `gradient`, summed over all its elements; 0
            where it was enumerated.
    """

    gradient: Float[Tensor, "B D K"]
    squared_error: float = 0.0

    @property
    def square(self) -> float:
        """‖g‖², without the part that is noise."""
        return max(float(self.gradient.square().sum()) - self.squared_error, 0.0)

    @property
    def relative_error(self) -> float:
        """The error of `gradient` as a share of its norm."""
        return math.sqrt(self.squared_error / self.square) if self.square else math.inf


@dataclass
class Moments:
    r"""Collects replicates of a gradient, in chunks, and says how far from the truth they are.

    With m_g the mean deviation from the true gradient in group g of G,

    .. math:: \widehat{\|b\|^2} = \frac{\sum_{g \neq h} m_g \cdot m_h}{G (G - 1)}

    has the squared bias as its mean, whatever the noise; its error comes from the jackknife over
    groups, and the confidence interval of the bias from Student's t with G − 1 degrees of freedom.
    A bias too small to be seen gives an interval that starts at 0.

    Arguments:
        truth: What the replicates are compared with.

    Reference: Efron & Stein, The jackknife estimate of variance, 1981.
    """

    truth: Truth
    sums: list[Tensor] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    squares: Tensor | float = 0.0
    cosines: float = 0.0

    def add(self, gradients: Float[Tensor, "R B D K"], group: int) -> None:
        """Adds replicates to a group; groups are filled in order."""
        if group == len(self.sums):
            self.sums.append(torch.zeros_like(self.truth.gradient))
            self.counts.append(0)
        truth = self.truth.gradient
        gradients = gradients.to(truth.dtype)
        deviation = gradients - truth
        self.sums[group] += deviation.sum(0)
        self.counts[group] += len(deviation)
        self.squares = self.squares + deviation.square().sum(0)
        cosine = torch.cosine_similarity(gradients.flatten(2), truth.flatten(1)[None], -1)
        self.cosines += float(cosine.mean(-1).sum())

    @property
    def replicates(self) -> int:
        return sum(self.counts)

    @property
    def cosine(self) -> float:
        """The mean cosine between one estimate and the true gradient of an example."""
        return self.cosines / self.replicates

    @property
    def variance(self) -> float:
        """The variance of one estimate, summed over D × K, mean over examples; nats²."""
        n = self.replicates
        mean = sum(self.sums[1:], self.sums[0]) / n
        within = (self.squares - n * mean.square()).clamp_min(0).sum() / (n - 1)
        return float(within) / len(mean)

    @property
    def mean_squared_error(self) -> float:
        """The squared distance of one estimate from the true gradient, as `variance`; nats²."""
        examples = len(self.truth.gradient)
        total = float(torch.as_tensor(self.squares).sum()) / self.replicates
        return max(total - self.truth.squared_error, 0.0) / examples

    @property
    def relative_bias(self) -> Interval:
        """‖E g − true‖ / ‖true‖ with its confidence interval."""
        means = torch.stack(
            [total / count for total, count in zip(self.sums, self.counts, strict=True)]
        ).flatten(1)
        groups = len(means)
        products = means @ means.T
        products.fill_diagonal_(0)
        everything = float(products.sum())
        estimate = everything / (groups * (groups - 1)) - self.truth.squared_error
        without = (everything - 2 * products.sum(1)) / ((groups - 1) * (groups - 2))
        jackknife = (groups - 1) / groups * (without - without.mean()).square().sum()
        reach = float(student.ppf((1 + CONFIDENCE) / 2, groups - 1)) * float(jackknife.sqrt())
        reach += 2 * self.truth.squared_error
        ends = (estimate, estimate - reach, estimate + reach)
        square = self.truth.square
        return Interval(
            *(math.sqrt(max(end, 0.0) / square) if square else math.inf for end in ends)
        )
