"""The leave-one-out score-function estimator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import Estimator, evaluate, require_samples
from discretevae.latents import categorical

__all__ = ["RLOO"]


@dataclass(frozen=True)
class RLOO(Estimator):
    r"""Takes the other samples' mean as each sample's baseline: unbiased for any f.

    .. math:: \frac{1}{S} \sum_s \big[ (f(z_s) - b_s) \nabla \log q(z_s) + \nabla f(z_s) \big],
        \qquad b_s = \frac{1}{S - 1} \sum_{t \neq s} f(z_t), \quad z_s \sim q

    Arguments:
        samples: S ≥ 2.

    Raises:
        ValueError: If `samples` is below 2: there would be none to leave out.

    Reference: Kool, van Hoof & Welling, Buy 4 REINFORCE samples, get a baseline for free!, 2019.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> RLOO(samples=4)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    samples: int = 4

    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 2, " to leave one out")

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        value, log_q = evaluate(f, z), categorical.log_prob(z, logits)
        baseline = (value.sum(0) - value) / (self.samples - 1)
        score = (value - baseline).detach() * log_q
        return (value + (score - score.detach())).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
