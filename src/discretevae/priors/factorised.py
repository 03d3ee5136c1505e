"""Priors under which the latents are independent; their KL is in closed form."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.latents import categorical, require_sizes
from discretevae.networks.mlp import perceptron
from discretevae.priors.prior import FactorisedPrior

__all__ = ["CategoricalPrior", "ConditionalPrior", "LearnedPrior", "UniformPrior"]


class _LogitsPrior(FactorisedPrior):
    """A product of categoricals whose logits may depend on the context."""

    @abstractmethod
    def logits_given(self, context: Tensor | None) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log-probabilities, (D, K) or one such matrix an example."""

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "..."]:
        return (z * self.logits_given(context).log_softmax(-1)).sum((-2, -1))

    def kl(
        self, logits: Float[Tensor, "*B D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*B D"]:
        return categorical.kl_divergence(logits, self.logits_given(context))

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        logits = self.logits_given(context)
        return categorical.sample(logits.expand(count, *self.shape), 1, generator)[0].argmax(-1)


class CategoricalPrior(_LogitsPrior):
    r"""A product of D fixed categoricals, :math:`p(z) = \prod_d \mathrm{Cat}(z_d; \pi_d)`.

    Arguments:
        logits: Unnormalised log π, shape (D, K), finite.

    Raises:
        ValueError: If `logits` has another shape or a value that is not finite.

    Example:
        >>> prior = CategoricalPrior(torch.tensor([[0.0, 1.0, 2.0]]))
        >>> prior.kl(torch.tensor([[0.0, 1.0, 2.0]])).abs() < 1e-6
        tensor([True])
    """

    kind: ClassVar[str] = "categorical"

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
            raise ValueError(
                f"`logits` must have shape (D, K), D ≥ 1, K ≥ 2, got {tuple(logits.shape)}."
            )
        if not logits.is_meta and not logits.isfinite().all():
            raise ValueError("`logits` must be finite, got infinite or NaN values.")
        self.logits: Tensor
        self.register_buffer("logits", logits.detach().clone())

    @property
    def shape(self) -> tuple[int, int]:
        return self.logits.shape[0], self.logits.shape[1]

    def logits_given(self, context: Tensor | None) -> Float[Tensor, "D K"]:
        return self.logits


class UniformPrior(CategoricalPrior):
    """All K^D codes are equally probable: log p(z) = −D log K, KL = log K − entropy.

    Example:
        >>> UniformPrior(4, 8).log_prob_of_codes(torch.tensor([0, 1, 2, 3]))
        tensor(-8.3178)
    """

    kind: ClassVar[str] = "uniform"

    def __init__(self, num_latents: int, num_categories: int) -> None:
        require_sizes(num_latents, num_categories)
        super().__init__(torch.zeros(num_latents, num_categories))

    def kl(
        self, logits: Float[Tensor, "*B D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*B D"]:
        return math.log(logits.shape[-1]) - categorical.entropy(logits)


class LearnedPrior(_LogitsPrior):
    """D categoricals whose probabilities are trained with the model; uniform at first.

    At its best each is the aggregate posterior of its latent.

    Example:
        >>> LearnedPrior(4, 8).log_prob_of_codes(torch.tensor([0, 1, 2, 3])).requires_grad
        True
    """

    kind: ClassVar[str] = "learned"

    def __init__(self, num_latents: int, num_categories: int) -> None:
        super().__init__()
        require_sizes(num_latents, num_categories)
        self.logits = nn.Parameter(torch.zeros(num_latents, num_categories))

    @property
    def shape(self) -> tuple[int, int]:
        return self.logits.shape[0], self.logits.shape[1]

    def logits_given(self, context: Tensor | None) -> Float[Tensor, "D K"]:
        return self.logits


class ConditionalPrior(_LogitsPrior):
    r"""The prior of a condition, :math:`p(z|c) = \prod_d \mathrm{Cat}(\mathrm{softmax}(l_d(c)))`.

    Arguments:
        num_latents: D.
        num_categories: K.
        context_features: C ≥ 1, the numbers that describe a context.
        widths: Hidden units of the perceptron from c to the logits.

    Raises:
        ValueError: If a size is out of range, or no context is given.

    Example:
        >>> prior = ConditionalPrior(4, 8, context_features=3)
        >>> prior.kl(torch.zeros(5, 4, 8), torch.eye(3)[[0, 1, 2, 0, 1]]).shape
        torch.Size([5, 4])
    """

    kind: ClassVar[str] = "conditional"
    conditional: ClassVar[bool] = True

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        context_features: int,
        widths: tuple[int, ...] = (64,),
    ) -> None:
        super().__init__()
        require_sizes(num_latents, num_categories)
        if context_features < 1:
            raise ValueError(f"`context_features` must be at least 1, got {context_features}.")
        self.sizes, self.widths = (num_latents, num_categories), tuple(widths)
        sizes = [context_features, *self.widths, num_latents * num_categories]
        self.network = nn.Sequential(*perceptron(sizes))

    @property
    def shape(self) -> tuple[int, int]:
        return self.sizes

    def logits_given(self, context: Tensor | None) -> Float[Tensor, "*B D K"]:
        if context is None:
            raise ValueError("`context` must be given to a conditional prior, got none.")
        return self.network(context).unflatten(-1, self.sizes)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "widths": list(self.widths)}
