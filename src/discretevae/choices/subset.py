"""k of n items as a layer."""

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices.choice import Choice, Temperature
from discretevae.choices.conditional_poisson import require_chosen
from discretevae.choices.relaxed_top_k import GumbelTopK, RelaxedTopK, top_k
from discretevae.choices.simple import Simple
from discretevae.choices.subset_estimator import SubsetEstimator
from discretevae.names import resolve

__all__ = ["SUBSET_ESTIMATORS", "SubsetChoice"]

SUBSET_ESTIMATORS: dict[str, type[SubsetEstimator]] = {
    "simple": Simple,
    "gumbel-top-k": GumbelTopK,
    "relaxed-top-k": RelaxedTopK,
}
"""Name → estimator class; a class called without arguments has its recommended defaults."""


class SubsetChoice(Choice):
    r"""Draws k of n items from logits, with the gradient of an estimator.

    (*B, n) → (*B, n), in training and in evaluation alike: k ones, all others zero, or numbers
    between them where the estimator is `relaxed`. Two distributions of sets have these logits, and
    the estimator says by its name of which it is:

    - `simple`: conditional Poisson, :math:`p(S) \propto \prod_{i \in S} w_i`, with marginals,
      log p(S), entropy and KL in :mod:`discretevae.choices.conditional_poisson`;
    - `gumbel-top-k` and `relaxed-top-k`: Plackett-Luce, without replacement, one item after the
      other, :mod:`discretevae.choices.plackett_luce`.

    A logit of −inf rules its item out; k must be left. A row of logits with a NaN gives a NaN,
    never a set that looks sound. In float32 at least, also under autocast. It is captured by
    `torch.compile(fullgraph=True)`, and takes `torch.func.vmap` with `randomness="different"`;
    PyTorch captures no call with a `generator`.

    Arguments:
        num_items: n ≥ 2.
        num_chosen: k in [1, n], n · k at most 2²².
        estimator: A name in `SUBSET_ESTIMATORS`, or a
            :class:`~discretevae.choices.SubsetEstimator`.
        temperature: τ > 0 or a function of the step, see :class:`~discretevae.choices.Choice`; by
            default the estimator's own. `simple` has none.

    Raises:
        ValueError: If n, k or `temperature` is out of range, or the name is unknown; when called,
            if the logits do not end in n.

    Example:
        Feature selection: 3 of 20 columns, the same for every row.

        >>> choose, logits = SubsetChoice(20, 3), torch.zeros(20, requires_grad=True)
        >>> x = torch.randn(64, 20)
        >>> z = choose(logits.expand(64, 20))
        >>> loss = ((z * x).sum(-1) - x[:, :3].sum(-1)).square().mean()
        >>> loss.backward()
        >>> z.sum(-1).unique(), logits.grad.shape, choose.mode(logits).sum()
        (tensor([3.], grad_fn=<Unique2Backward0>), torch.Size([20]), tensor(3.))
    """

    def __init__(
        self,
        num_items: int,
        num_chosen: int,
        estimator: str | SubsetEstimator = "simple",
        temperature: Temperature = None,
    ) -> None:
        require_chosen(num_items, num_chosen)
        if isinstance(estimator, str):
            estimator = resolve("estimator", estimator, SUBSET_ESTIMATORS)()
        super().__init__(estimator, temperature)
        self.num_items, self.num_chosen = num_items, num_chosen

    def forward(
        self, logits: Float[Tensor, "*B N"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*B N"]:
        self._require(logits)
        z = self.estimator.draw(logits, self.num_chosen, 1, generator)[0]
        return torch.where(logits.isnan(), logits, z)

    def mode(self, logits: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """Gives the most probable set, the k largest logits, without a gradient."""
        self._require(logits)
        return top_k(logits.detach(), self.num_chosen)

    def extra_repr(self) -> str:
        return f"{self.num_chosen} of {self.num_items}, {super().extra_repr()}"

    def _require(self, logits: Tensor) -> None:
        if logits.shape[-1:] != (self.num_items,):
            raise ValueError(
                f"`logits` must end in n = {self.num_items} items, got {tuple(logits.shape)}."
            )
