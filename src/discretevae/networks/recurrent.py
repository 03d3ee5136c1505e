"""A GRU on a CPU that takes no step for padding, and looks its inputs up in a table."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["Packing", "gru_states", "layer_states"]

BLOCK = 2**11
"""Tokens of which the gradient of the weights is one product."""

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


@dataclass(frozen=True, eq=False)
class Packing:
    """What stands where among the tokens of sentences that are packed step by step.

    All first tokens come first, then all second ones, and so on: at each step those of the
    sentences that are long enough. The longest sentence is the first, the shortest the last.

    Arguments:
        seen: Which tokens there are, (N, n), those of a sentence without a gap.
        sizes: How many sentences are long enough for each step.
        rows: The sentence of each token.
        last: Where the last token of each sentence stands.
        reverse: Of each token, where that of the same sentence stands that is as far from its end.

    Example:
        >>> packing = Packing.of(torch.tensor([[True, True], [True, False]]))
        >>> packing.sizes, packing.rows.tolist(), packing.last.tolist(), packing.reverse.tolist()
        ([2, 1], [0, 1, 0], [2, 1], [2, 1, 0])
    """

    seen: Bool[Tensor, "N n"]
    sizes: list[int]
    rows: Int64[Tensor, " tokens"]
    last: Int64[Tensor, " N"]
    reverse: Int64[Tensor, " tokens"]

    @classmethod
    def of(cls, seen: Bool[Tensor, "N n"]) -> "Packing":
        """Packs sentences, the longest of them first."""
        lengths, sizes = seen.sum(-1), seen.sum(0).tolist()
        first = torch.tensor([0, *accumulate(sizes)])  # where each step begins
        steps, rows = seen.T.nonzero().unbind(-1)
        last = first[lengths - 1] + torch.arange(len(seen))
        return cls(seen, sizes, rows, last, first[lengths[rows] - 1 - steps] + rows)

    def pack(self, x: Int64[Tensor, "N n"]) -> Int64[Tensor, " tokens"]:
        """Puts the tokens of all sentences in order."""
        return x.T[self.seen.T]


def layer_states(
    gru: nn.GRU,
    layer: str,
    inputs: Float[Tensor, "M I"],
    index: Int64[Tensor, " tokens"],
    sizes: list[int],
    start: Float[Tensor, "N W"] | None = None,
    about: Float[Tensor, "N A"] | None = None,
) -> Float[Tensor, "tokens W"]:
    """Gives the states of one layer of a GRU, in one direction.

    Arguments:
        gru: Whose weights are taken.
        layer: What the names of its weights end in: l0, l0_reverse, l1, ….
        inputs: A table of them.
        index: The row of the table that is the input at each token.
        sizes: As a `Packing` has them.
        start: The state before the first token; by default 0.
        about: What each sentence's inputs have besides, at every token.
    """
    weight, bias = getattr(gru, f"weight_ih_{layer}"), getattr(gru, f"bias_ih_{layer}")
    own = inputs.shape[-1]
    with torch.autocast("cpu", enabled=False):
        table = linear(inputs, weight[:, :own], bias)
        of_sentence = None if about is None else linear(about, weight[:, own:])
        weight, bias = getattr(gru, f"weight_hh_{layer}"), getattr(gru, f"bias_hh_{layer}")
        if start is None:
            start = table.new_zeros(sizes[0], gru.hidden_size)
        return gru_states(table, index, weight, bias, start, of_sentence, sizes)


def gru_states(
    table: Float[Tensor, "M W3"],
    index: Int64[Tensor, " tokens"],
    weight: Float[Tensor, "W3 W"],
    bias: Float[Tensor, " W3"],
    start: Float[Tensor, "N W"],
    about: Float[Tensor, "N W3"] | None,
    sizes: list[int],
) -> Float[Tensor, "tokens W"]:
    r"""Gives the states of a GRU after every token of packed sentences.

    .. math::
        r, u = \sigma(i_{ru} + W_{ru} h + b_{ru}), \quad n = \tanh(i_n + r (W_n h + b_n)), \quad
        h' = n + u (h - n)

    where the inputs :math:`i` of a token are a row of the table and what the sentence adds. The
    gradient of the weights is a product over some thousand tokens, not one of each step.

    Arguments:
        table: Products of inputs and weights.
        index: The row of each token.
        weight: Of the state.
        bias: Of the state.
        start: The states before the first token, the longest sentence first.
        about: What each sentence adds to its inputs.
        sizes: How many sentences each step has.

    Reference: Cho et al., Learning Phrase Representations using RNN Encoder–Decoder for
    Statistical Machine Translation, 2014, eq. 5–8; as `torch.nn.GRU` has it.
    """
    keep = torch.is_grad_enabled()
    states: Tensor = _GRU.apply(table, index, weight, bias, start, about, sizes, keep)
    return states


class _GRU(torch.autograd.Function):
    """Steps that write into place, and keep what the gradient needs."""

    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        index: Tensor,
        weight: Tensor,
        bias: Tensor,
        start: Tensor,
        about: Tensor | None,
        sizes: list[int],
        keep: bool,
    ) -> Tensor:
        width, first = weight.shape[1], sizes[0]
        rows = len(index) if keep else first
        states = table.new_empty(len(index), width)
        gates, fresh, inner = (table.new_empty(rows, k * width) for k in (2, 1, 1))
        # Of the gates (r, u) and of what is new (n), apart.
        both, new = 2 * width, slice(2 * width, None)
        table_ru, table_n = table[:, :both] + bias[:both], table[:, new].contiguous()
        weight_ru, weight_n, bias_n = weight[:both].T, weight[new].T, bias[new]
        h, begin = start, 0
        for size in sizes:
            end = begin + size
            own, tokens = slice(begin, end) if keep else slice(size), index[begin:end]
            ru, n, w_n = gates[own], fresh[own], inner[own]
            torch.index_select(table_ru, 0, tokens, out=ru)
            torch.index_select(table_n, 0, tokens, out=n)
            if about is not None:
                ru += about[:size, :both]
                n += about[:size, new]
            h = h[:size]
            ru.addmm_(h, weight_ru).sigmoid_()
            torch.addmm(bias_n, h, weight_n, out=w_n)
            n.addcmul_(ru[:, :width], w_n)
            n.mul_(2).sigmoid_().mul_(2).sub_(1)  # tanh, in a third of the time of torch's
            h = torch.lerp(n, h, ru[:, width:], out=states[begin:end])
            begin = end
        if keep:
            saved = index, weight, start, states, gates, fresh, inner
            ctx.save_for_backward(table, bias, about, *saved)
            ctx.sizes = sizes
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, bias, about, index, weight, start, states, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated once more
            given = table, index, weight, bias, start, about
            return _differentiable_backward(ctx, given, gradient)
        gates, fresh, inner = kept
        width, sizes = weight.shape[1], ctx.sizes
        of_table, of_weight, of_bias = map(torch.zeros_like, (table, weight, bias))
        of_about = None if about is None else torch.zeros_like(about)
        dh, some = torch.zeros_like(start), torch.empty_like(start)
        # Products with the state, and the state, of some steps: their product is one.
        most = max(sizes[0], BLOCK)
        block, before, filled = table.new_empty(most, 3 * width), table.new_empty(most, width), 0
        end = len(index)
        for step in reversed(range(len(sizes))):
            size = sizes[step]
            begin = end - size
            own, own_of_block = slice(begin, end), slice(filled, filled + size)
            last = states[begin - sizes[step - 1] :][:size] if step else start[:size]
            h = before[own_of_block].copy_(last)
            r, u, n = gates[own, :width], gates[own, width:], fresh[own]
            products, d, scratch = block[own_of_block], dh[:size], some[:size]
            d_r, d_u, d_n = products.split(width, -1)
            d += gradient[own]
            torch.addcmul(d, d, u, value=-1, out=scratch)
            _tanh_backward(scratch, n, grad_input=d_n)
            _sigmoid_backward(torch.sub(h, n, out=scratch).mul_(d), u, grad_input=d_u)
            _sigmoid_backward(torch.mul(d_n, inner[own], out=scratch), r, grad_input=d_r)
            of_table.index_add_(0, index[own], products)
            if of_about is not None:
                of_about[:size] += products
            d_n *= r
            d.mul_(u).addmm_(products, weight)
            filled, end = filled + size, begin
            if not step or filled + sizes[step - 1] > most:
                of_weight.addmm_(block[:filled].T, before[:filled])
                of_bias[2 * width :] += block[:filled, 2 * width :].sum(0)
                filled = 0
        of_bias[: 2 * width] = of_table[:, : 2 * width].sum(0)
        return of_table, None, of_weight, of_bias, dh, of_about, None, None


def _differentiable_backward(
    ctx: Any, given: tuple[Tensor | None, ...], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    """The same by autograd, of steps that leave all behind."""
    wanted = ctx.needs_input_grad[: len(given)]
    inputs = [x for x, want in zip(given, wanted, strict=True) if want and x is not None]
    states = _plain_states(ctx.sizes, *given)  # type: ignore[arg-type]
    found = iter(torch.autograd.grad(states, inputs, gradient, create_graph=True))
    return (*(next(found) if want else None for want in wanted), None, None)


def _plain_states(
    sizes: list[int],
    table: Tensor,
    index: Tensor,
    weight: Tensor,
    bias: Tensor,
    start: Tensor,
    about: Tensor | None,
) -> Tensor:
    h, begin, states = start, 0, []
    for size in sizes:
        i = table[index[begin : begin + size]]
        if about is not None:
            i = i + about[:size]
        i_r, i_u, i_n = i.chunk(3, -1)
        w_r, w_u, w_n = linear(h[:size], weight, bias).chunk(3, -1)
        r, u = (i_r + w_r).sigmoid(), (i_u + w_u).sigmoid()
        n = (i_n + r * w_n).tanh()
        h = n + u * (h[:size] - n)
        states.append(h)
        begin += size
    return torch.cat(states)
