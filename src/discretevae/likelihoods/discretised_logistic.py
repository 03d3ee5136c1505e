"""Levels as a logistic distribution that is rounded."""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Distribution, Independent
from torch.nn.functional import logsigmoid

from discretevae.likelihoods.level_likelihood import LevelLikelihood, counts_of_levels
from discretevae.likelihoods.likelihood import Part

__all__ = ["DiscretisedLogistic", "DiscretisedLogisticLikelihood"]

LEAST = 2.0**-6
"""The scale that none falls below, in steps between levels: all but e⁻³² of the mass on one."""
BROAD = 1 / 8
"""The scale that a decoder starts at, in parts of the range: a standard deviation of .23."""
NEAR = 1e-3
"""The w below which 1 − e⁻ʷ would cancel."""
LARGEST = 80.0
"""The logarithm of the largest scale that is drawn from: beyond, all draws are the ends."""
STEPS, RATE = 15, 0.3
"""Of the search for the most probable location and scale of a histogram."""
COLUMNS = 2**9
"""Dimensions whose histograms are looked at together."""


class DiscretisedLogistic(Distribution):
    r"""Values :math:`x = k / (V - 1)`: a logistic variable, rounded, its tails at the ends.

    With m and s in steps between levels, :math:`\sigma` the logistic function, and a, b the upper
    and the lower edge of what is rounded to k,

    .. math:: p(k) = \sigma(a) - \sigma(b), \qquad a = \frac{k + ½ - m}{s}, \;
        b = \frac{k - ½ - m}{s}, \qquad b_0 = -\infty, \; a_{V-1} = \infty.

    Computed as :math:`\log \sigma(a) + \log \sigma(-b) + \log(1 - e^{-1/s})`, of which the ends
    have one term alone: it neither cancels nor underflows, and as the upper edge of a level is the
    lower one of the next to the bit, the mass is one at every m and s.

    Arguments:
        location: m.
        log_scale: log s.
        levels: V.

    Reference: Salimans, Karpathy, Chen & Kingma, PixelCNN++, 2017, eq. 2.

    Example:
        >>> p = DiscretisedLogistic(torch.tensor([2.0, 1e6]), torch.zeros(2), levels=5)
        >>> p.mean, p.mode
        (tensor([0.5000, 1.0000]), tensor([0.5000, 1.0000]))
        >>> p.log_prob_of_level(torch.arange(5.0)[:, None])[:, 0].exp()
        tensor([0.1824, 0.1951, 0.2449, 0.1951, 0.1824])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, location: Float[Tensor, "*#B"], log_scale: Float[Tensor, "*#B"], levels: int = 256
    ) -> None:
        self.location, self.log_scale = torch.broadcast_tensors(location, log_scale)
        self.most = levels - 1
        super().__init__(self.location.shape, validate_args=False)

    def log_prob(self, value: Float[Tensor, "*B"]) -> Float[Tensor, "*SB"]:
        return self.log_prob_of_level((value * self.most).round())

    def log_prob_of_level(self, k: Float[Tensor, "*B"]) -> Float[Tensor, "*SB"]:
        """Gives the log-probability in nats of levels k = 0, …, V − 1."""
        rate = (-self.log_scale).exp()
        a, b = (k + 0.5 - self.location) * rate, (k - 0.5 - self.location) * rate
        lowest, highest = k <= 0, k >= self.most
        return (
            logsigmoid(a).masked_fill(highest, 0)
            + logsigmoid(-b).masked_fill(lowest, 0)
            + _log1mexp(rate, -self.log_scale).masked_fill(lowest | highest, 0)
        )

    @property
    def mean(self) -> Float[Tensor, "*B"]:
        # Σ p(k ≥ j) over j = 1, …, V − 1.
        rate, total = (-self.log_scale).exp(), torch.zeros_like(self.location)
        for j in range(1, self.most + 1):
            total = total + torch.sigmoid((self.location - (j - 0.5)) * rate)
        return total / self.most

    @property
    def mode(self) -> Float[Tensor, "*B"]:
        """The most probable level: the nearest to m, or an end that has a tail."""
        nearest = self.location.round().clamp(0, self.most)
        k = torch.stack([nearest, torch.zeros_like(nearest), torch.full_like(nearest, self.most)])
        best = self.log_prob_of_level(k).argmax(0, keepdim=True)
        return k.gather(0, best).squeeze(0) / self.most

    @torch.no_grad()
    def sample(
        self,
        sample_shape: Size | list[int] | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*SB"]:
        """Draws logistic variables by the inverse of their distribution function, and rounds."""
        shape = (*sample_shape, *self.batch_shape)
        uniform = torch.empty(shape, dtype=self.location.dtype, device=self.location.device)
        noise = uniform.uniform_(generator=generator).logit()
        k = self.location + self.log_scale.clamp(max=LARGEST).exp() * noise
        return k.round().clamp(0, self.most) / self.most


def _log1mexp(w: Float[Tensor, "*B"], log_w: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Gives log(1 − e^−w) of w and its logarithm, also where w underflows."""
    near = log_w - w / 2 + w.square() / 24
    far = (-torch.expm1(-w.clamp_min(NEAR))).log()  # finite where it is not selected too
    return torch.where(w < NEAR, near, far)


class DiscretisedLogisticLikelihood(LevelLikelihood):
    r"""Observes levels :math:`x_i = k_i / (V - 1)`: a logistic variable of each, rounded.

    .. math:: p(x_i = k / (V - 1) | h) = \sigma\big(\tfrac{k + ½ - m_i}{s_i}\big)
        - \sigma\big(\tfrac{k - ½ - m_i}{s_i}\big), \qquad
        \frac{m_i}{V - 1} = \frac{1 + h_{0i}}{2}, \quad
        \frac{s_i}{V - 1} = \frac{\epsilon}{V - 1} + \tfrac18 e^{h_{1i} + l},

    with the tails below ½ at 0 and above V − 3/2 at V − 1. l is learned, one for all dimensions;
    h = 0 says a broad distribution about the middle. ε = 2⁻⁶ steps puts all mass on one level. The
    decoder says two numbers of each dimension, the locations first, along the first axis:
    (C, H, W) → (2C, H, W), (F,) → (2F,).

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        levels: V, 256 for bytes.

    Raises:
        ValueError: If `event_dims` is below 1, or `levels` below 2.

    Reference: Salimans, Karpathy, Chen & Kingma, PixelCNN++, 2017, eq. 2, of one component.

    Example:
        >>> p = DiscretisedLogisticLikelihood(levels=4)
        >>> p.output_shape((3, 32, 32))
        (6, 32, 32)
        >>> p(torch.zeros(2)).log_prob(torch.arange(4.0)[:, None] / 3).exp().detach()
        tensor([0.0718, 0.4282, 0.4282, 0.0718])
    """

    name: ClassVar[str] = "discretised-logistic"

    def __init__(self, event_dims: int = 1, levels: int = 256) -> None:
        super().__init__(event_dims, levels)
        self.log_scale = nn.Parameter(torch.zeros(()))

    @property
    def untouched(self) -> bool:
        """Whether l is a new model's: 0, which no training leaves exactly."""
        return self.log_scale.requires_grad and float(self.log_scale) == 0

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2 * shape[0], *shape[1:])

    def forward(self, h: Float[Tensor, "*B_and_h"]) -> Independent:
        location, log_scale = self.parameters_of(h, 2).unbind(-self.event_dims - 1)
        p = rounded_logistic(location, log_scale + self.log_scale, self.levels)
        return Independent(p, self.event_dims)

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*h"]:
        """Takes location and scale by maximum likelihood, of half an example more at all levels."""
        counts = counts_of_levels(x, self.levels).flatten(1) + 0.5 / self.levels
        fits = [_most_probable(part) for part in counts.split(COLUMNS, 1)]
        m, log_s = torch.cat(fits, -1).view(2, *x.shape[1:])
        log_scale = said_of(log_s, self.levels)
        self.log_scale.copy_(log_scale.mean())
        return torch.cat([2 * m / (self.levels - 1) - 1, log_scale - self.log_scale])

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part V"]:
        assert isinstance(p, Independent)
        return logits_of_levels(p.base_dist)


def rounded_logistic(
    location: Float[Tensor, "*#B"], log_scale: Float[Tensor, "*#B"], levels: int
) -> DiscretisedLogistic:
    """Gives the distribution of a location in [−1, 1] and a scale in eighths of the range."""
    most = levels - 1
    least = log_scale.new_tensor(LEAST).log()
    log_s = torch.logaddexp(log_scale + math.log(BROAD * most), least)
    return DiscretisedLogistic(most * (1 + location) / 2, log_s, levels)


def said_of(log_s: Float[Tensor, "*B"], levels: int) -> Float[Tensor, "*B"]:
    """Gives the logarithm of the scale in eighths of the range, of log s in steps."""
    return (log_s.exp() - LEAST).clamp_min(LEAST).log() - math.log(BROAD * (levels - 1))


def logits_of_levels(p: DiscretisedLogistic) -> Float[Tensor, "*B V"]:
    """Gives the log-probability of every level, the last axis."""
    k = torch.arange(p.most + 1).to(p.location)
    each = DiscretisedLogistic(
        p.location.unsqueeze(-1), p.log_scale.unsqueeze(-1), levels=p.most + 1
    )
    return each.log_prob_of_level(k)


@torch.no_grad()
def _most_probable(counts: Float[Tensor, "V F"]) -> Float[Tensor, "2 F"]:
    """Gives m and log s of each histogram: from its moments on, uphill."""
    k = torch.arange(len(counts)).to(counts).unsqueeze(-1)
    p = counts / counts.sum(0)
    mean = (p * k).sum(0)
    log_scale = (3 * (p * (k - mean).square()).sum(0)).sqrt().div(math.pi).log()
    with torch.enable_grad():
        change = torch.zeros(2, counts.shape[1]).to(counts).requires_grad_()
        optimiser = torch.optim.Adam([change], RATE)
        for step in range(STEPS):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
            found = mean + change[0] * log_scale.exp(), log_scale + change[1]
            loss = -(p * DiscretisedLogistic(*found, levels=len(counts)).log_prob_of_level(k)).sum()
            (change.grad,) = torch.autograd.grad(loss, change)
            optimiser.step()
    return torch.stack([mean + change[0] * log_scale.exp(), log_scale + change[1]]).detach()
