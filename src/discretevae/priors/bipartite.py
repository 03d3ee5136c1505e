"""A Boltzmann machine of two sides of categoricals: fields, marginals, Gibbs sweeps."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents import categorical

__all__ = ["BipartiteMachine"]


@dataclass(frozen=True)
class BipartiteMachine:
    r"""The unnormalised density of one-hot codes a and b of two sides.

    .. math:: \log f_\beta(a, b) = \sum_d \alpha_d \cdot a_d + \sum_e \gamma_e \cdot b_e
        + \beta \sum_{d, e} a_d^\top W_{de} b_e

    Arguments:
        bias_a: α.
        bias_b: γ.
        weight: W.

    Example:
        >>> machine = BipartiteMachine(torch.zeros(3, 2), torch.zeros(2, 2), torch.ones(3, 2, 2, 2))
        >>> machine.log_marginal(torch.eye(2)[None])  # 2³ codes a, each e⁶
        tensor([8.0794])
    """

    bias_a: Float[Tensor, "A K"]
    bias_b: Float[Tensor, "B K"]
    weight: Float[Tensor, "A K B K"]

    def field_on_a(self, b: Float[Tensor, "*S B K"]) -> Float[Tensor, "*S A K"]:
        """Gives W b."""
        return self._field("akbl,...bl->...ak", b)

    def field_on_b(self, a: Float[Tensor, "*S A K"]) -> Float[Tensor, "*S B K"]:
        """Gives Wᵀ a."""
        return self._field("akbl,...ak->...bl", a)

    def logits_a(self, b: Float[Tensor, "*S B K"]) -> Float[Tensor, "*S A K"]:
        """Gives the logits of a given b, under f₁."""
        return self.bias_a + self.field_on_a(b)

    def log_marginal(self, b: Float[Tensor, "*S B K"]) -> Float[Tensor, "*S"]:
        """Gives the log of the sum of f₁ over a."""
        return (self.bias_b * b).sum((-2, -1)) + self.logits_a(b).logsumexp(-1).sum(-1)

    def log_sum_uncoupled(self) -> Float[Tensor, ""]:
        """Gives the log of the sum of f₀ over all codes."""
        return self.bias_a.logsumexp(-1).sum() + self.bias_b.logsumexp(-1).sum()

    def sample_uncoupled(
        self, count: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "count B K"]:
        """Draws b under f₀."""
        return categorical.sample(self.bias_b, count, generator)

    def sweep(
        self, b: Float[Tensor, "S B K"], generator: torch.Generator | None, beta: float = 1.0
    ) -> tuple[Float[Tensor, "S A K"], Float[Tensor, "S B K"]]:
        """Draws a given b, then b given a, under f_β."""
        a = categorical.sample(self.bias_a + beta * self.field_on_a(b), 1, generator)[0]
        return a, categorical.sample(self.bias_b + beta * self.field_on_b(a), 1, generator)[0]

    def climb(self, b: Float[Tensor, "S B K"], steps: int = 100) -> Float[Tensor, "S B K"]:
        """Takes the most probable a given b, then b given a, until none changes.

        Reference: Besag, On the statistical analysis of dirty pictures, 1986 (iterated
        conditional modes).
        """
        for _ in range(steps):
            a = categorical.one_hot_argmax(self.logits_a(b))
            before, b = b, categorical.one_hot_argmax(self.bias_b + self.field_on_b(a))
            if torch.equal(before, b):
                break
        return b

    def _field(self, product: str, z: Float[Tensor, "*S D K"]) -> Float[Tensor, "*S E K"]:
        with torch.autocast(z.device.type, enabled=False):
            return torch.einsum(product, self.weight, z)
