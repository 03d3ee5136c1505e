"""RODEO: leave-one-out with control variates from a discrete Stein operator."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.utils.checkpoint import checkpoint

from discretevae.estimators.estimator import inject, require_samples, value_and_gradient
from discretevae.estimators.learned import LearnedEstimator, MovingMoments
from discretevae.latents import categorical

__all__ = ["RODEO"]

HIDDEN = 32
"""The paper has 100; here, in one run on each of two problems, that took three times as long for
2 to 4 % less variance."""
ROWS = 2**13
"""Neighbours given to the network at once: what fits the processor's cache is fastest."""


class RODEO(LearnedEstimator):
    r"""Gives RLOO two learned control variates of mean zero over neighbouring codes: unbiased.

    .. math:: g = \frac{1}{S} \sum_i \Big( f(z_i) - \frac{1}{S - 1} \sum_{j \neq i}
        \big[ f(z_j) + \alpha (A h_0^j)(z_j) \big] \Big) s(z_i)
        + \beta \big( A (h_1^i s) \big)(z_i), \qquad s(z) = z - p

    with the Stein operator of Gibbs sampling, whose mean under q is zero whatever h:

    .. math:: (A h)(z) = \sum_d \Big( \sum_k p_{dk} h(z \text{ with } z_d = k) - h(z) \Big)

    h₀ⁱ and h₁ⁱ are the outputs of one small network that sees the *other* samples only: the mean
    of f there and of its linear expansion about them,

    .. math:: (h_0^i, h_1^i)(y) = \sigma H \Big( \frac{\bar f_{-i} - m}{\sigma},
        \frac{1}{\sigma (S - 1)} \sum_{j \neq i} v_j \cdot (y - z_j) \Big), \qquad
        v = \partial f / \partial z

    m and σ are moving averages of the mean and the spread of f over earlier batches. H, α and β
    descend on the estimate's own variance, :math:`\mathbb{E} \lVert g \rVert^2`; α = β = 0 at the
    start, which is RLOO. f is evaluated at the samples alone, H at the S D K neighbours.

    The paper has binary latents. The form for K > 2, checked against enumeration, the scaling by
    m and σ and the sum over the latents in A, where the paper takes their mean, are this
    library's; so is a hidden layer of 32 units instead of 100.

    Arguments:
        samples: S ≥ 2.
        learning_rate: Of H, α and β.

    Raises:
        ValueError: If `samples` is below 2, `learning_rate` is not positive, f has no gradient in
            `z`, or the codes have other sizes than before.

    Reference: Shi, Zhou, Hwang, Titsias & Mackey, Gradient estimation with discrete Stein
    operators, 2022.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> RODEO()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    unbiased: ClassVar[bool] = True
    needs_gradient_of_f: ClassVar[bool] = True

    def __init__(self, samples: int = 2, learning_rate: float = 1e-3) -> None:
        super().__init__(learning_rate)
        require_samples(samples, 2, " to leave one out")
        self.samples = samples
        self.moments_of_f = MovingMoments()

    def build(self, num_latents: int, num_categories: int) -> None:
        self.alpha, self.beta = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(0.0))
        self.of_mean, self.of_expansion = nn.Linear(1, HIDDEN), nn.Linear(1, HIDDEN)
        self.output = nn.Linear(HIDDEN, 2, bias=False)  # A takes a constant h₀ to zero

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        self.prepare_for(logits)
        z = categorical.sample(logits, self.samples, generator)
        value, v = value_and_gradient(f, z)
        p = logits.detach().softmax(-1)
        s = z - p
        with self.recording():
            h_0, h_1 = self._h(*_expansions(value.detach(), v, z))
            # Where z_d stays as it is the neighbour is z, so z_d · h_d = h(z) for every d.
            of_h_0 = -(s * h_0).sum((-2, -1))
            weight = value.detach() - _mean_of_others(value.detach() + self.alpha * of_h_0)
            moved = p * h_1 - z * (p * h_1).sum(-1, keepdim=True)
            of_h_1_s = moved - (s * h_1).sum((-2, -1), keepdim=True) * s
            g = (weight[..., None, None] * s + self.beta * of_h_1_s).mean(0)
            self.descend(g.square().sum((-2, -1)).mean())
        if self.learns:
            self.moments_of_f.remember(value)
        return value.mean(0) + inject(logits, g)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples

    def _h(
        self, mean: Float[Tensor, "S *B"], expansion: Float[Tensor, "S *B D K"]
    ) -> tuple[Float[Tensor, "S *B D K"], Float[Tensor, "S *B D K"]]:
        """Gives both outputs of the network at every neighbour of every sample."""
        location, spread = self.moments_of_f()
        dtype, rows = self.moments.dtype, max(1, ROWS // expansion.shape[-2:].numel())
        means = ((mean - location) / spread).to(dtype).flatten().split(rows)
        expansions = (expansion / spread).to(dtype).flatten(0, -3).split(rows)
        # Kept whole, the graph would hold a hundred numbers for every neighbour.
        h = [
            checkpoint(self._network, *chunk, use_reentrant=False, preserve_rng_state=False)
            for chunk in zip(means, expansions, strict=True)
        ]
        h_0, h_1 = (spread * torch.cat(h)).to(expansion.dtype).view(*expansion.shape, 2).unbind(-1)
        return h_0, h_1

    def _network(
        self, mean: Float[Tensor, " N"], expansion: Float[Tensor, "N D K"]
    ) -> Float[Tensor, "N D K 2"]:
        of_mean = self.of_mean(mean[:, None])[:, None, None]
        return self.output(leaky_relu(of_mean + self.of_expansion(expansion[..., None]), 0.3))


def _mean_of_others(x: Float[Tensor, "S *N"]) -> Float[Tensor, "S *N"]:
    return (x.sum(0) - x) / (len(x) - 1)


def _expansions(
    value: Float[Tensor, "S *B"], v: Float[Tensor, "S *B D K"], z: Float[Tensor, "S *B D K"]
) -> tuple[Float[Tensor, "S *B"], Float[Tensor, "S *B D K"]]:
    """Gives the others' mean of f, and their expansion at z with each z_d set to each class."""
    v_bar = _mean_of_others(v)
    at_z = (v_bar * z).sum((-2, -1)) - _mean_of_others((v * z).sum((-2, -1)))
    change = v_bar - (v_bar * z).sum(-1, keepdim=True)
    return _mean_of_others(value), at_z[..., None, None] + change
