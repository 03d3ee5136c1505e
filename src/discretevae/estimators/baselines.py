"""Baselines of the score-function estimator: numbers that do not depend on the sample at hand."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Baseline", "ConstantBaseline", "MovingAverageBaseline"]


class Baseline(nn.Module, ABC):
    """Gives the number that is taken from f(z) before it weighs the score."""

    @abstractmethod
    def forward(self, value: Float[Tensor, "S *B"]) -> Tensor:
        """Gives the baseline for these values of `f`, without using them for it."""


class ConstantBaseline(Baseline):
    """A fixed number, in the units of `f` (for a log-likelihood: negative); 0 is no baseline.

    Example:
        >>> ConstantBaseline(-125.0)(torch.zeros(1, 5))
        tensor(-125.)
    """

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", torch.tensor(float(value)))

    def forward(self, value: Float[Tensor, "S *B"]) -> Tensor:
        return self.value


class MovingAverageBaseline(Baseline):
    r"""The exponential moving average of earlier batches' mean of f.

    .. math:: m_t = \gamma m_{t-1} + (1 - \gamma) \overline{f_t}, \qquad
        b_t = m_{t-1} / (1 - \gamma^{t-1})

    The average from *before* this batch is used: one that holds this sample would bias the
    gradient. It moves only in training mode and while gradients are recorded.

    Arguments:
        decay: :math:`\gamma \in [0, 1)`.

    Raises:
        ValueError: If `decay` lies outside [0, 1).

    Example:
        >>> baseline = MovingAverageBaseline()
        >>> [baseline(torch.full((1, 5), -90.0)).item() for _ in range(2)]
        [0.0, -90.0]
    """

    def __init__(self, decay: float = 0.95) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        self.decay = decay
        self.average: Tensor
        self.weight: Tensor
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("weight", torch.tensor(0.0))

    def forward(self, value: Float[Tensor, "S *B"]) -> Tensor:
        tiny = torch.finfo(self.weight.dtype).tiny
        baseline = (self.average / self.weight.clamp_min(tiny)).to(value.dtype)
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                # Out of place: a graph that still holds the old average must not see the new one.
                mean = value.mean().to(self.average.dtype)
                self.average = self.decay * self.average + (1 - self.decay) * mean
                self.weight = self.decay * self.weight + (1 - self.decay)
        return baseline
