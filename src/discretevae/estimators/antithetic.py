"""What the estimators with one antithetic pair of binary codes share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import Estimator, evaluate, inject, require_binary
from discretevae.latents import categorical

__all__ = ["Antithetic"]


@dataclass(frozen=True)
class Antithetic(Estimator, ABC):
    r"""An estimator from two codes that share their noise with opposite signs.

    .. math:: b_d = 1[\eta_d + \varepsilon_d > 0], \quad
        \tilde b_d = 1[\eta_d - \varepsilon_d > 0], \quad
        \eta = l_1 - l_0, \quad \varepsilon_d \sim \mathrm{Logistic}(0, 1)

    The gradient for η_d is (f(b) − f(b̃)) w_d; each leaf gives its weight w. Each code has the
    law q, so the value (f(b) + f(b̃)) / 2 and the gradient inside f are unbiased too.

    Raises:
        ValueError: If the latents have other than two classes.
    """

    unbiased: ClassVar[bool] = True
    binary_only: ClassVar[bool] = True

    @abstractmethod
    def weight(
        self,
        eta: Float[Tensor, "*B D"],
        noise: Float[Tensor, "*B D"],
        difference: Float[Tensor, "*B D"],
    ) -> Float[Tensor, "*B D"]:
        """Gives w for η, the noise ε and the difference b − b̃."""

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        require_binary(*logits.shape[-2:])
        fixed = logits.detach()
        # The difference of two Gumbels is logistic; exchanging them changes its sign.
        gumbel = categorical.gumbel(fixed.shape, fixed, generator)
        z = categorical.one_hot_argmax(fixed + torch.stack([gumbel, gumbel.flip(-1)]))
        value = evaluate(f, z)

        eta, noise = fixed[..., 1] - fixed[..., 0], gumbel[..., 1] - gumbel[..., 0]
        w = self.weight(eta, noise, z[0, ..., 1] - z[1, ..., 1])
        w = w.masked_fill(eta.isinf(), 0)  # a class that is ruled out has no part in it
        g = (value[0] - value[1])[..., None] * w
        return value.mean(0) + inject(logits, torch.stack([-g, g], -1))

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return 2
