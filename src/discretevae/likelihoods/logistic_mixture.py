"""Pixels as mixtures of rounded logistic distributions, with channels that see those before."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Categorical, Distribution

from discretevae.likelihoods.discretised_logistic import (
    DiscretisedLogistic,
    logits_of_levels,
    rounded_logistic,
    said_of,
)
from discretevae.likelihoods.level_likelihood import LevelLikelihood
from discretevae.likelihoods.likelihood import Part

__all__ = ["LogisticMixture", "LogisticMixtureLikelihood"]

IMAGE = 3
"""Axes of an observation from which the first one is of channels: (C, H, W)."""
STRAIGHT = 0.99
"""The largest coefficient that training starts at: beyond, tanh hardly moves."""
RIDGE = 1e-3
"""What is added to the variance of a channel that others are regressed on."""


class LogisticMixture(Distribution):
    r"""Pixels of C channels of levels :math:`x_c = k_c / (V - 1)`, with :math:`u_c = 2 x_c - 1`.

    .. math:: p(x) = \sum_m \pi_m \prod_{c} p_{cm}(x_c | x_{<c}), \qquad
        \mu_{cm}(x_{<c}) = \mu_{cm} + \sum_{c' < c} \alpha_{cc'm} u_{c'},

    each factor a :class:`DiscretisedLogistic`. All channels of a pixel have one m.

    Arguments:
        logits: Of the mixture.
        location: μ, in [−1, 1] where the levels are.
        log_scale: Of scales in eighths of the range.
        coefficients: α of the pairs (1, 0), (2, 0), (2, 1), … of channels.
        event_shape: (C, *pixels); or the shape of the pixels alone, of one channel.
        levels: V.

    Reference: Salimans, Karpathy, Chen & Kingma, PixelCNN++, 2017, eq. 2-3.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        logits: Float[Tensor, "*B_and_pixels"],
        location: Float[Tensor, "*B_and_channels"],
        log_scale: Float[Tensor, "*B_and_channels"],
        coefficients: Float[Tensor, "*B_and_pairs"],
        event_shape: Sequence[int],
        levels: int = 256,
    ) -> None:
        self.logits, self.location, self.log_scale = logits, location, log_scale
        self.coefficients, self.levels = coefficients, levels
        self.pixels = len(event_shape) - (len(event_shape) >= IMAGE)
        self.components, self.channel_axis = -self.pixels - 1, -self.pixels - 2
        self.channels = location.shape[self.channel_axis]
        batch = logits.shape[: logits.ndim + self.components]
        super().__init__(batch, Size(event_shape), validate_args=False)

    def log_prob(self, value: Float[Tensor, "*B_and_event"]) -> Float[Tensor, "*SB"]:
        channels = self._channels(value)
        log_p = self.logits.log_softmax(self.components)
        for c, x in enumerate(channels):
            log_p = log_p + self.channel(channels[:c]).log_prob(x)
        return log_p.logsumexp(self.components).flatten(-self.pixels).sum(-1)

    def channel(self, before: Sequence[Float[Tensor, "..."]]) -> DiscretisedLogistic:
        """Gives what each component says of the channel after these, (*B, M, *pixels)."""
        c = len(before)
        location = self.location.select(self.channel_axis, c)
        for i, x in enumerate(before):
            pair = c * (c - 1) // 2 + i
            alpha = self.coefficients.select(self.channel_axis, pair)
            location = location + alpha * (2 * x - 1)
        log_scale = self.log_scale.select(self.channel_axis, c)
        return rounded_logistic(location, log_scale, self.levels)

    @property
    def mean(self) -> Float[Tensor, "*B_and_event"]:
        """The mean: each component's, channel by channel at the means of those before.

        It is exact of the first channel, and of others as far as no mass is at the ends, between
        which the mean of a channel is linear in those before.
        """
        means: list[Tensor] = []
        for _ in range(self.channels):
            means.append(self.channel(means).mean)
        weights = self.logits.softmax(self.components)
        return self._event([(weights * x).sum(self.components) for x in means])

    @torch.no_grad()
    def sample(
        self, sample_shape: Size | list[int] | tuple[int, ...] = ()
    ) -> Float[Tensor, "*SB_and_event"]:
        """Draws a component for each pixel, and its channels one after the other."""
        logits = self.logits.expand(*sample_shape, *self.logits.shape)
        drawn = Categorical(logits=logits.movedim(self.components, -1), validate_args=False)
        component = drawn.sample().unsqueeze(self.components)
        channels: list[Tensor] = []
        for _ in range(self.channels):
            p = self.channel(channels)
            whole = DiscretisedLogistic(
                p.location.expand_as(logits), p.log_scale.expand_as(logits), self.levels
            )
            channels.append(whole.sample().gather(self.components, component))
        return self._event([x.squeeze(self.components) for x in channels])

    def logits_after(self, before: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "..."]:
        """Gives the log-probability of every level of the next channel, but for a constant.

        Arguments:
            before: The values of channels, each (*B, 1, *pixels).

        Returns:
            (*B, *pixels, V).
        """
        log_w = self.logits.log_softmax(self.components)
        for c, x in enumerate(before):
            log_w = log_w + self.channel(before[:c]).log_prob(x)
        of_components = log_w.unsqueeze(-1) + logits_of_levels(self.channel(before))
        return of_components.logsumexp(self.components - 1)

    def _channels(self, value: Float[Tensor, "..."]) -> list[Tensor]:
        """The channels of observations, each (*B, 1, *pixels)."""
        if len(self.event_shape) < IMAGE:
            return [value.unsqueeze(self.components)]
        return list(value.unsqueeze(self.components).unbind(self.channel_axis))

    def _event(self, channels: Sequence[Float[Tensor, "*B"]]) -> Float[Tensor, "*B_and_event"]:
        if len(self.event_shape) < IMAGE:
            return channels[0]
        return torch.stack(list(channels), self.components)


class LogisticMixtureLikelihood(LevelLikelihood):
    r"""Observes pixels by a mixture of M rounded logistic distributions, whose channels see others.

    .. math:: p(x | h) = \prod_{\text{pixels}} \sum_{m=1}^{M} \pi_m \prod_c
        p_{cm}(x_c | x_{<c}), \qquad \mu_{cm}(x_{<c}) = \mu_{cm} + \sum_{c' < c}
        \tanh(a_{cc'm}) (2 x_{c'} - 1),

    each factor as the `discretised-logistic` likelihood has it, with scales
    :math:`\epsilon + \tfrac18 e^{h + l}` of the range, l learned. Red is first, green is given red,
    blue given both; all have one m. Of an image (C, H, W) the decoder says M logits, M·C locations,
    M·C scales and M·C(C − 1)/2 coefficients a of each pixel, along the first axis:
    (3, H, W) → (10·M, H, W). Observations of other shapes have one channel: (F,) → (3M·F,).

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        components: M.
        levels: V, 256 for bytes.

    Raises:
        ValueError: If `event_dims` or `components` is below 1, or `levels` below 2.

    Reference: Salimans, Karpathy, Chen & Kingma, PixelCNN++, 2017, eq. 2-3.

    Example:
        >>> p = LogisticMixtureLikelihood(event_dims=3, components=5)
        >>> p.output_shape((3, 32, 32))
        (50, 32, 32)
        >>> p(torch.zeros(8, 50, 32, 32)).log_prob(torch.ones(8, 3, 32, 32)).shape
        torch.Size([8])
    """

    name: ClassVar[str] = "logistic-mixture"
    apart: ClassVar[str] = "pixels"

    def __init__(self, event_dims: int = 1, components: int = 10, levels: int = 256) -> None:
        super().__init__(event_dims, levels)
        if components < 1:
            raise ValueError(f"`components` must be at least 1, got {components}.")
        self.components = components
        self.in_turn = event_dims >= IMAGE
        self.log_scale = nn.Parameter(torch.zeros(()))

    @property
    def untouched(self) -> bool:
        """Whether l is a new model's: 0, which no training leaves exactly."""
        return self.log_scale.requires_grad and float(self.log_scale) == 0

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if not self.in_turn:
            return (3 * self.components * shape[0], *shape[1:])
        channels, *pixels = shape
        return (self.components * sum(_numbers(channels)), *pixels)

    def forward(self, h: Float[Tensor, "*B_and_h"]) -> LogisticMixture:
        if not self.in_turn:
            h = self.parameters_of(h, 3 * self.components)
        pixels = self.event_dims - self.in_turn
        h = h.unflatten(-pixels - 1, (-1, self.components))
        channels = _channels(h.shape[-pixels - 2])
        logits, location, log_scale, a = h.split(_numbers(channels), -pixels - 2)
        return LogisticMixture(
            logits.squeeze(-pixels - 2),
            location,
            log_scale + self.log_scale,
            a.tanh(),
            event_shape=(channels,) * self.in_turn + tuple(h.shape[h.ndim - pixels :]),
            levels=self.levels,
        )

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*h"]:
        """Takes M groups of examples, equally many in each, by how bright a pixel is in them.

        Each group is a component: its means, its deviations, and what a channel is of those before
        by least squares in all groups. The most probable h has no closed form; this one is near.
        """
        u = 2 * (x if self.in_turn else x.unsqueeze(1)).flatten(2) - 1
        grouped = _grouped(u, self.components)
        mean = grouped.mean(1, keepdim=True)
        alpha = _regressed(grouped - mean)
        rest = _without(grouped - mean, alpha)
        n = grouped.shape[1]
        variance = (rest.square().sum(1) + 1 / 6) / (n + 0.5)  # of half an example more anywhere
        step = 2 / (self.levels - 1)
        log_scale = said_of((3 * variance).sqrt().div(math.pi * step).log(), self.levels)
        self.log_scale.copy_(log_scale.mean())
        location = _without(mean, alpha).squeeze(1)
        pairs = alpha.atanh().expand(self.components, *alpha.shape)
        numbers = [torch.zeros_like(location[:, :1]), location, log_scale - self.log_scale, pairs]
        h = torch.cat(numbers, 1).movedim(0, 1)  # (numbers of a pixel, M, pixels)
        return h.reshape(self.output_shape(tuple(x.shape[1:])))

    def turns(self, shape: tuple[int, ...]) -> list[Part]:
        if not self.in_turn:
            return super().turns(shape)
        rest = (slice(None),) * (len(shape) - 1)
        return [(slice(c, c + 1), *rest) for c in range(shape[0])]

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part V"]:
        assert isinstance(p, LogisticMixture)
        channels = []
        if self.in_turn and before is not None and part is not None:
            channels = p._channels(before)[: part[0].start]
        logits = p.logits_after(channels)
        return logits.unsqueeze(-p.pixels - 2) if self.in_turn else logits

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "event_dims": self.event_dims,
            "components": self.components,
            "levels": self.levels,
        }


def _numbers(channels: int) -> list[int]:
    """How many logits, locations, scales and coefficients a component has of a pixel."""
    return [1, channels, channels, channels * (channels - 1) // 2]


def _channels(numbers: int) -> int:
    """The C of which 1 + 2C + C(C − 1)/2 is this."""
    return (math.isqrt(8 * numbers + 1) - 3) // 2


def _grouped(u: Float[Tensor, "N C P"], groups: int) -> Float[Tensor, "M n C P"]:
    """Parts the examples of each pixel by brightness; of fewer than M some are there twice."""
    rows = groups * -(-len(u) // groups)
    order = u.mean(1).argsort(0)[torch.arange(rows, device=u.device) * len(u) // rows]
    index = order.unsqueeze(1).expand(-1, u.shape[1], -1)
    return u.gather(0, index).unflatten(0, (groups, -1))


def _regressed(u: Float[Tensor, "M n C P"]) -> Float[Tensor, "pairs P"]:
    """The coefficients of each channel on those before, by least squares in all groups."""
    channels = u.shape[2]
    products = torch.einsum("mncp,mndp->pcd", u, u) / (u.shape[0] * u.shape[1])
    products = products + RIDGE * torch.eye(channels).to(u)
    found = [
        torch.linalg.solve(products[:, :c, :c], products[:, :c, c]).T for c in range(1, channels)
    ]
    empty = u.new_zeros(0, u.shape[3])
    return torch.cat([empty, *found]).clamp(-STRAIGHT, STRAIGHT)


def _without(u: Float[Tensor, "M n C P"], alpha: Float[Tensor, "pairs P"]) -> Tensor:
    """What is left of each channel once those before are taken out."""
    rest = []
    for c in range(u.shape[2]):
        first = c * (c - 1) // 2
        of_others = (alpha[first : first + c] * u[:, :, :c]).sum(2)
        rest.append(u[:, :, c] - of_others)
    return torch.stack(rest, 2)
