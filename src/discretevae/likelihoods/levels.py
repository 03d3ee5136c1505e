"""Levels as classes: a categorical of each dimension."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Categorical, Distribution, Independent

from discretevae.likelihoods.level_likelihood import LevelLikelihood, counts_of_levels
from discretevae.likelihoods.likelihood import Part

__all__ = ["LevelDistribution", "LevelsLikelihood"]


class LevelDistribution(Distribution):
    r"""Values :math:`x = k / (V - 1)`, each k with a logit of its own.

    .. math:: \log p(x = k / (V - 1)) = l_k - \log \sum_j e^{l_j}

    Arguments:
        logits: Of the V levels, the last axis.

    Example:
        >>> p = LevelDistribution(torch.tensor([0.0, 0.0, 100.0]))
        >>> p.mean, p.mode, p.log_prob(torch.tensor(1.0))
        (tensor(1.), tensor(1.), tensor(0.))
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, logits: Float[Tensor, "*B V"]) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def most(self) -> int:
        """V − 1, the highest level."""
        return self.logits.shape[-1] - 1

    def log_prob(self, value: Float[Tensor, "*B"]) -> Float[Tensor, "*SB"]:
        shape = torch.broadcast_shapes(value.shape, self.batch_shape)
        k = (value * self.most).round().long().expand(shape).unsqueeze(-1)
        chosen = self.logits.expand(*shape, -1).gather(-1, k).squeeze(-1)
        return chosen - self.logits.logsumexp(-1)

    @property
    def mean(self) -> Float[Tensor, "*B"]:
        return self.logits.softmax(-1) @ self._values

    @property
    def mode(self) -> Float[Tensor, "*B"]:
        return self._values[self.logits.argmax(-1)]

    @torch.no_grad()
    def sample(self, sample_shape: Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draws levels."""
        k = Categorical(logits=self.logits, validate_args=False).sample(Size(sample_shape))
        return self._values[k]

    @property
    def _values(self) -> Float[Tensor, " V"]:
        return torch.arange(self.most + 1).to(self.logits) / self.most


class LevelsLikelihood(LevelLikelihood):
    r"""Observes levels :math:`x_i = k_i / (V - 1)`, each a class with a logit of its own.

    .. math:: \log p(x | h) = \sum_i \big[ h_{k_i i} + b_{k_i}
        - \log \sum_{k=0}^{V-1} e^{h_{ki} + b_k} \big]

    b are learned, one for each level: how frequent it is anywhere. Nothing tells the model that
    levels have an order; the decoder says V numbers of each dimension, those of the first axis:
    (C, H, W) → (V·C, H, W), (F,) → (V·F,).

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        levels: V, 256 for bytes.

    Raises:
        ValueError: If `event_dims` is below 1, or `levels` below 2.

    Reference: van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks, 2016,
    "Pixels as discrete variables".

    Example:
        >>> p = LevelsLikelihood(levels=4)
        >>> p.output_shape((2,))
        (8,)
        >>> p(torch.zeros(8)).log_prob(torch.tensor([0.0, 1.0])).exp().detach()  # of 4 × 4
        tensor(0.0625)
    """

    name: ClassVar[str] = "levels"

    def __init__(self, event_dims: int = 1, levels: int = 256) -> None:
        super().__init__(event_dims, levels)
        self.bias = nn.Parameter(torch.zeros(levels))

    @property
    def untouched(self) -> bool:
        """Whether b is a new model's: all 0, which no training leaves exactly."""
        return self.bias.requires_grad and not bool(self.bias.any())

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.levels * shape[0], *shape[1:])

    def forward(self, h: Float[Tensor, "*B_and_h"]) -> Independent:
        logits = self.parameters_of(h, self.levels).movedim(-self.event_dims - 1, -1)
        return Independent(LevelDistribution(logits + self.bias), self.event_dims)

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*h"]:
        """Takes the frequencies of levels, half an example more of each."""
        counts = counts_of_levels(x, self.levels) + 0.5
        log_p = (counts / counts.sum(0)).log()
        self.bias.copy_(log_p.flatten(1).exp().mean(1).log())
        h = log_p - self.bias.view(-1, *[1] * self.event_dims)
        return h.flatten(0, 1)

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part V"]:
        assert isinstance(p, Independent)
        return p.base_dist.logits
