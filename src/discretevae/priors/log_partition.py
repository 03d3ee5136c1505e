"""What is known of a normaliser that is estimated: both ends, and whether they meet."""

from dataclasses import dataclass

__all__ = ["DISAGREE", "LogPartition"]

DISAGREE = 0.5
"""The gap, in nats, from which on two estimates of log Z are not of one number."""


@dataclass(frozen=True)
class LogPartition:
    r"""An estimate of log Z from both sides, in nats.

    .. math:: \log p(z) = -E(z) - \log Z

    What is reported takes `upper`, by which no log p(z) and no bound on log p(x) is flattered.

    Arguments:
        lower: Below log Z on average.
        upper: Above log Z on average, or for certain.
        lower_se: Standard error of `lower`.
        upper_se: Standard error of `upper`; 0 where that is certain.

    Example:
        >>> estimate = LogPartition(lower=10.0, upper=10.1, lower_se=0.02, upper_se=0.03)
        >>> round(estimate.gap, 3), estimate.disagree
        (0.1, False)
    """

    lower: float
    upper: float
    lower_se: float
    upper_se: float

    @property
    def gap(self) -> float:
        """How far reported figures may lie below those of the other side."""
        return self.upper - self.lower

    @property
    def disagree(self) -> bool:
        """Whether the gap is 0.5 nats or more: the annealing has failed, its errors are unknown."""
        return not self.gap < DISAGREE
