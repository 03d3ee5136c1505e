"""Data in [0, 1] under a normalised density."""

from math import factorial
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, constraints

from discretevae.likelihoods.likelihood import LinearLikelihood, smoothed_mean, value_range

__all__ = ["ContinuousBernoulli", "ContinuousBernoulliLikelihood"]

BERNOULLI_NUMBERS = (
    *(1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66),
    *(-691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330),
)
"""B₂, B₄, …, B₂₀."""

SERIES = tuple(
    number / (2 * n * factorial(2 * n)) for n, number in enumerate(BERNOULLI_NUMBERS, start=1)
)
"""Of log(sinh(h/2) / (h/2)) in powers of h²; at |h| = 1 its second derivative is off by 1e-16."""

HALVINGS = 60
"""Of the interval in which a logit is looked for."""


class ContinuousBernoulli(Distribution):
    r"""Values in [0, 1] whose log-density is linear, one for each logit :math:`h`.

    .. math:: p(x | h) = \frac{e^{h x}}{\int_0^1 e^{h t} dt} = \frac{h}{e^h - 1} e^{h x}

    The normaliser is exact for every finite h. Its exponent is measured from a centre c, where it
    neither overflows nor cancels: from ½ near h = 0, from the end that h favours elsewhere,

    .. math:: \log p(x | h) = h (x - c) - r(h), \qquad r(h) = \begin{cases}
        \log \frac{\sinh(h / 2)}{h / 2} & |h| < 1, \; c = \tfrac12 \\
        \log \frac{1 - e^{-|h|}}{|h|} & \text{else}, \; c = 1[h > 0]
        \end{cases}

    so that all derivatives in h are finite too: the mean is c + r'(h), the variance r''(h).

    Reference: Loaiza-Ganem & Cunningham, The continuous Bernoulli, 2019, eq. 3.

    Example:
        >>> p = ContinuousBernoulli(torch.tensor([0.0, 1000.0]))
        >>> p.mean, p.log_prob(torch.ones(2))
        (tensor([0.5000, 0.9990]), tensor([0.0000, 6.9078]))
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, logits: Float[Tensor, "*B"]) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=False)

    def log_prob(self, value: Float[Tensor, "*B"]) -> Float[Tensor, "*SB"]:
        h = self.logits
        near, a = self._near, self._far.abs()
        r = torch.where(near, _series(h), (-torch.expm1(-a)).log() - a.log())
        return h * (value - self._centre) - r

    @property
    def mean(self) -> Float[Tensor, "*B"]:
        near, h, a = self._near, self._far, self._far.abs()
        slope = -h.sign() * ((-a).exp() / torch.expm1(-a) + 1 / a)
        return self._centre + torch.where(near, _series(self.logits, order=1), slope)

    @property
    def variance(self) -> Float[Tensor, "*B"]:
        near, a = self._near, self._far.abs()
        curvature = 1 / a.square() - (-a).exp() / torch.expm1(-a).square()
        return torch.where(near, _series(self.logits, order=2), curvature)

    def icdf(self, value: Float[Tensor, "*B"]) -> Float[Tensor, "*SB"]:
        """Gives the x below which a share `value` of the mass lies."""
        # The distance to the end that h favours is a truncated exponential.
        a, up = self.logits.abs().clamp_min(torch.finfo(self.logits.dtype).eps), self.logits > 0
        share, rest = torch.where(up, 1 - value, value), torch.where(up, value, 1 - value)
        fallen = share * torch.expm1(-a)
        log_left = torch.where(
            fallen > -0.5, torch.log1p(fallen), (rest + share * (-a).exp()).log()
        )
        distance = (-log_left / a).clamp(0, 1)
        return torch.where(up, 1 - distance, distance)

    @torch.no_grad()
    def sample(
        self,
        sample_shape: Size | list[int] | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*SB"]:
        """Draws values by the inverse of the distribution function."""
        shape = (*sample_shape, *self.batch_shape)
        uniform = torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device)
        return self.icdf(uniform.uniform_(generator=generator))

    @property
    def _near(self) -> Tensor:
        """Where 1 / h would cancel."""
        return self.logits.abs() < 1

    @property
    def _far(self) -> Float[Tensor, "*B"]:
        """The logits, 1 where they are near 0: what is not selected has a finite gradient too."""
        return torch.where(self._near, 1, self.logits)

    @property
    def _centre(self) -> Float[Tensor, "*B"]:
        return torch.where(self._near, 0.5, (self.logits > 0).to(self.logits.dtype))


def _series(h: Float[Tensor, "*B"], order: int = 0) -> Float[Tensor, "*B"]:
    """Gives a derivative of log(sinh(h/2) / (h/2)), right for |h| < 1, finite for all h."""
    h = h.clamp(-1, 1)
    total = torch.zeros_like(h)
    for n, coefficient in reversed([*enumerate(SERIES, start=1)]):
        falling = factorial(2 * n) // factorial(2 * n - order)
        total = total * h.square() + coefficient * falling
    return total * h ** (2 - order)


class ContinuousBernoulliLikelihood(LinearLikelihood):
    r"""Observes values in [0, 1] with logits :math:`h`.

    .. math:: \log p(x | h) = \sum_i x_i h_i - \log \frac{e^{h_i} - 1}{h_i}

    Its values are log-densities; they may be positive and do not compare with Bernoulli's.

    Reference: Loaiza-Ganem & Cunningham, The continuous Bernoulli, 2019, eq. 3.

    Example:
        >>> p = ContinuousBernoulliLikelihood()
        >>> p(torch.zeros(2, 3)).log_prob(torch.rand(2, 3))  # uniform on the cube
        tensor([0., 0.])
    """

    name: ClassVar[str] = "continuous-bernoulli"

    def forward(self, h: Float[Tensor, "*B_and_event"]) -> Distribution:
        return Independent(ContinuousBernoulli(h), self.event_dims)

    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*event"]:
        # The mean rises with the logit: halve an interval that holds all logits of smoothed means.
        mean = smoothed_mean(x).double()
        high = torch.full_like(mean, 4.0 * (len(x) + 1))
        low = -high
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = ContinuousBernoulli(middle).mean < mean
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return ((low + high) / 2).to(x.dtype)

    def check(self, x: Tensor) -> None:
        if not bool(((x >= 0) & (x <= 1)).all()):
            raise ValueError(
                "`x` must lie in [0, 1] for the continuous Bernoulli likelihood, "
                f"got {value_range(x)}."
            )
