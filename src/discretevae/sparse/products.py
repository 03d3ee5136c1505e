"""Products of a sparse autoencoder of which only the active latents are computed twice.

A step needs one dense product, x·W_enc, to see which latents are active. All else, the decoder and
every gradient, is a sum over the few that are.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag

__all__ = [
    "Support",
    "above",
    "decoded",
    "dense",
    "largest",
    "of_batch",
    "of_row",
    "preactivations",
]

ROWS = 2**21
"""Pre-activations that are looked at together: some MiB, which stay in a cache."""
SPARE = 1.25
"""So many times as many candidates are looked for as are wanted."""

Pick = Callable[[Float[Tensor, "b m"]], tuple[Tensor, Tensor, Tensor]]
"""Pre-activations → how many are chosen in each row, which, row by row, and their values."""


@dataclass(frozen=True, eq=False)
class Support:
    """Which of m latents are active in each of B rows, row by row.

    Arguments:
        offsets: Where each row begins, and where the last ends.
        latents: The numbers of the latents, those of the first row first.
        width: m.

    Example:
        >>> support = Support(torch.tensor([0, 2, 3]), torch.tensor([0, 4, 4]), width=5)
        >>> support.rows, support.counts, support.fired
        (tensor([0, 0, 1]), tensor([2, 1]), tensor([ True, False, False, False,  True]))
    """

    offsets: Int64[Tensor, " n"]
    latents: Int64[Tensor, " nnz"]
    width: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int64[Tensor, " B"]:
        """How many are active in each row."""
        return self.offsets.diff()

    @cached_property
    def rows(self) -> Int64[Tensor, " nnz"]:
        """The row of each entry."""
        return torch.arange(len(self), device=self.latents.device).repeat_interleave(self.counts)

    @property
    def fired(self) -> Bool[Tensor, " m"]:
        """Which latents are active in any row."""
        return self.times > 0

    @property
    def times(self) -> Int64[Tensor, " m"]:
        """In how many rows each latent is active."""
        return torch.bincount(self.latents, minlength=self.width)

    @cached_property
    def by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where each latent's entries begin once they are ordered by it, their rows, the order."""
        order = self.latents.argsort(stable=True)
        return _begins(self.times)[:-1], self.rows[order], order

    def where(self, kept: Bool[Tensor, " nnz"]) -> "Support":
        """Gives the entries that are kept."""
        counts = torch.zeros_like(self.counts).index_add_(0, self.rows, kept.long())
        return Support(_begins(counts), self.latents[kept], self.width)


def _begins(counts: Int64[Tensor, " n"]) -> Int64[Tensor, " n1"]:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def of_row(k: int) -> Pick:
    """Picks the k largest of each row, in no order.

    Example:
        >>> of_row(2)(torch.tensor([[3.0, 1.0, 2.0]]))[2].sort().values
        tensor([2., 3.])
    """

    def pick(h: Float[Tensor, "b m"]) -> tuple[Tensor, Tensor, Tensor]:
        values, latents = h.topk(k, sorted=False)
        counts = torch.full((len(h),), k, device=h.device)
        return counts, latents.flatten(), values.flatten()

    return pick


def above(threshold: float | Float[Tensor, "*m"]) -> Pick:
    """Picks all above a threshold, one for all or one each.

    Example:
        >>> above(1.5)(torch.tensor([[3.0, 1.0, 2.0]]))
        (tensor([2]), tensor([0, 2]), tensor([3., 2.]))
    """

    def pick(h: Float[Tensor, "b m"]) -> tuple[Tensor, Tensor, Tensor]:
        flat = (h > threshold).flatten().nonzero().squeeze(1)
        rows = flat // h.shape[1]
        counts = torch.bincount(rows, minlength=len(h))
        return counts, flat - rows * h.shape[1], h.flatten()[flat]

    return pick


def _in_parts(
    x: Float[Tensor, "B d"], weight: Float[Tensor, "d m"], bias: Float[Tensor, " m"]
) -> Iterator[Float[Tensor, "b m"]]:
    for some in x.split(max(1, ROWS // weight.shape[1])):
        yield torch.addmm(bias, some, weight)


@torch.no_grad()
def largest(
    x: Float[Tensor, "B d"],
    weight: Float[Tensor, "d m"],
    bias: Float[Tensor, " m"],
    pick: Pick,
) -> tuple[Support, Float[Tensor, " nnz"]]:
    """Computes all pre-activations x·W + b, some rows at a time, and keeps those picked."""
    picked = [pick(h) for h in _in_parts(x, weight, bias)]
    if not picked:
        return Support(torch.zeros(1, dtype=torch.int64), torch.zeros(0).long(), len(bias)), x.sum(
            1
        )
    counts, latents, values = (torch.cat(part) for part in zip(*picked, strict=True))
    return Support(_begins(counts), latents, len(bias)), values


@torch.no_grad()
def of_batch(
    x: Float[Tensor, "B d"],
    weight: Float[Tensor, "d m"],
    bias: Float[Tensor, " m"],
    count: int,
) -> tuple[Support, Float[Tensor, " nnz"]]:
    """Keeps the `count` largest pre-activations of a whole batch, as far as they are positive.

    Candidates are those above a value near which, by the first rows, that many lie: exact, since
    all positive ones are looked at where that finds too few.
    """
    first = next(_in_parts(x, weight, bias)).flatten()
    share = len(first) / (len(x) * len(bias))
    rank = min(len(first), math.ceil(SPARE * count * share))
    bound = max(0.0, float(first.kthvalue(len(first) - rank + 1).values))
    support, values = largest(x, weight, bias, above(bound))
    if len(values) < count and bound > 0:
        support, values = largest(x, weight, bias, above(0.0))
    if len(values) <= count:
        return support, values
    kept = torch.zeros_like(values, dtype=torch.bool)
    kept[values.topk(count, sorted=False).indices] = True
    return support.where(kept), values[kept]


class _Preactivations(Function):
    """Values that are known, with the gradient of the product that they came from."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, values: Tensor, support: Support
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.support = support
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), support, grad = ctx.saved_tensors, ctx.support, grads[0].contiguous()
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = _gathered(weight.T.contiguous(), support, grad)
        if ctx.needs_input_grad[1]:
            for_weight = _scattered(x, support, grad).T.contiguous()
        if ctx.needs_input_grad[2]:
            for_bias = grad.new_zeros(support.width).index_add_(0, support.latents, grad)
        return for_x, for_weight, for_bias, None, None


def preactivations(
    x: Float[Tensor, "B d"],
    weight: Float[Tensor, "d m"],
    bias: Float[Tensor, " m"],
    values: Float[Tensor, " nnz"],
    support: Support,
) -> Float[Tensor, " nnz"]:
    r"""Gives the values at a support their gradient, in time that grows with the support alone.

    .. math:: h_{ij} = x_i W_{\cdot j} + b_j, \qquad
        \nabla_{W_{\cdot j}} = \sum_i g_{ij} x_i, \quad \nabla_{b_j} = \sum_i g_{ij}, \quad
        \nabla_{x_i} = \sum_j g_{ij} W_{\cdot j}

    Arguments:
        x: Rows.
        weight: W.
        bias: b.
        values: h at the support, as :func:`largest` has computed them.
        support: Of the sums.

    Example:
        >>> x, w, b = torch.ones(1, 2), torch.ones(2, 3, requires_grad=True), torch.zeros(3)
        >>> support, values = largest(x, w, b, of_row(3))
        >>> preactivations(x, w, b, values, support).sum().backward()
        >>> w.grad
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    found: Tensor = _Preactivations.apply(x, weight, bias, values, support)
    return found


class _Decoded(Function):
    """The sum of decoder rows, weighted."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, support: Support) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.support = support
        return _gathered(weight, support, values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (values, weight), support, grad = ctx.saved_tensors, ctx.support, grads[0].contiguous()
        for_values = for_weight = None
        if ctx.needs_input_grad[0]:
            for_values = _dots(grad, weight, support)
        if ctx.needs_input_grad[1]:
            for_weight = _scattered(grad, support, values)
        return for_values, for_weight, None


def decoded(
    values: Float[Tensor, " nnz"], weight: Float[Tensor, "m d"], support: Support
) -> Float[Tensor, "B d"]:
    r"""Adds up the rows of the decoder, :math:`\sum_j a_{ij} W_j`, with sparse gradients.

    .. math:: \nabla_{a_{ij}} = g_i \cdot W_j, \qquad \nabla_{W_j} = \sum_i a_{ij} g_i

    Example:
        >>> support = Support(torch.tensor([0, 2]), torch.tensor([0, 2]), width=3)
        >>> decoded(torch.tensor([1.0, 2.0]), torch.eye(3), support)
        tensor([[1., 0., 2.]])
    """
    found: Tensor = _Decoded.apply(values, weight, support)
    return found


def dense(values: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, "B m"]:
    """Writes values at their places among zeros.

    Example:
        >>> dense(torch.tensor([5.0]), Support(torch.tensor([0, 1]), torch.tensor([1]), width=3))
        tensor([[0., 5., 0.]])
    """
    zeros = values.new_zeros(len(support), support.width)
    return zeros.index_put((support.rows, support.latents), values)


def _gathered(weight: Tensor, support: Support, values: Tensor) -> Tensor:
    """For each row, the sum of the weights' rows that are its latents'."""
    return embedding_bag(
        support.latents, weight, support.offsets[:-1], mode="sum", per_sample_weights=values
    )


def _scattered(x: Tensor, support: Support, values: Tensor) -> Tensor:
    """For each latent, the sum of the rows in which it is active."""
    begins, rows, order = support.by_latent
    return embedding_bag(rows, x, begins, mode="sum", per_sample_weights=values[order])


def _dots(grad: Tensor, weight: Tensor, support: Support) -> Tensor:
    """The products of gradients and decoder rows at the support alone."""
    if not len(support.latents):
        return grad.new_zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls all of its sparse tensors new
        sampled = torch.sparse_csr_tensor(
            support.offsets,
            support.latents,
            grad.new_zeros(len(support.latents)),
            (len(support), support.width),
            check_invariants=False,
        )
    return torch.sparse.sampled_addmm(sampled, grad, weight.T, beta=0).values()
