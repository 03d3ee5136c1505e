"""Binary data; or grey pixels under binary cross-entropy, labelled as such."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from discretevae.likelihoods.likelihood import LinearLikelihood, Part, smoothed_mean, value_range

__all__ = ["BernoulliLikelihood"]


class BernoulliLikelihood(LinearLikelihood):
    r"""Observes bits with logits :math:`h`.

    .. math:: \log p(x | h) = \sum_i x_i h_i - \log(1 + e^{h_i}), \qquad x_i \in \{0, 1\}

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        grey: Accept any x in [0, 1]. The formula is then binary cross-entropy on grey pixels,
            which is no normalised density (Loaiza-Ganem & Cunningham, 2019): its figures compare
            with published ones of the same kind only, and `normalised` is False.

    Example:
        >>> import torch
        >>> p = BernoulliLikelihood()
        >>> p(torch.zeros(8, 784)).log_prob(torch.ones(8, 784)).shape
        torch.Size([8])
    """

    name: ClassVar[str] = "bernoulli"

    def __init__(self, event_dims: int = 1, grey: bool = False) -> None:
        super().__init__(event_dims)
        self.normalised = self.lossless = not grey

    def forward(self, h: Float[Tensor, "*B_and_event"]) -> Distribution:
        return Independent(Bernoulli(logits=h, validate_args=False), self.event_dims)

    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*event"]:
        return smoothed_mean(x).logit()

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part 2"]:
        assert isinstance(p, Independent)
        h = p.base_dist.logits
        return torch.stack([torch.zeros_like(h), h], -1)

    @property
    def label(self) -> str:
        return self.name if self.normalised else f"{self.name}-grey"

    def config(self) -> str:
        return self.label

    def check(self, x: Tensor) -> None:
        if not self.normalised:
            if not bool(((x >= 0) & (x <= 1)).all()):
                raise ValueError(
                    f"`x` must lie in [0, 1] for a Bernoulli on grey values, got {value_range(x)}."
                )
        elif not bool(((x == 0) | (x == 1)).all()):
            raise ValueError(
                "`x` must be 0 or 1 for the Bernoulli likelihood, got "
                f"{value_range(x)}: binarise the data, use the continuous Bernoulli, or choose "
                "bernoulli-grey, whose figures are no likelihoods."
            )
