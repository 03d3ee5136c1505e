"""An upper bound on log Z that needs no sample: Hölder's inequality over blocks of one side."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from discretevae.latents import enumerate_codes, to_one_hot
from discretevae.priors.bipartite import BipartiteMachine

__all__ = ["holder_bound"]

ELEMENTS = 2**20
"""Numbers in the largest tensor of a step; decides how many latents make a block."""
STEPS = 60
"""Of the minimisation, at most."""


def holder_bound(machine: BipartiteMachine) -> float:
    r"""Bounds log Z from above, for certain, by n sums that are exact.

    .. math:: \log Z(\theta) \le \frac1n \sum_i \log Z(\theta_i), \qquad
        \frac1n \sum_i \theta_i = \theta

    Side A is cut into n blocks. θ_i couples the latents of block i alone, n times as strongly, so
    that log Z(θ_i) is a sum over the codes of one block. Biases may be dealt out unevenly: the
    bound, convex in that, is minimised. With one block it is log Z itself. It is near log Z where
    little is coupled, and where one code has nearly all the mass and few latents disagree on it;
    between the two it can be far above. Float64; rounding is all that could make it too small.

    Reference: Wainwright, Jaakkola & Willsky, A new class of upper bounds on the log partition
    function, 2005 (trees in place of blocks); Liu & Ihler, Bounding the partition function using
    Hölder's inequality, 2011.

    Example:
        >>> sides = torch.zeros(20, 2), torch.zeros(20, 2)
        >>> round(holder_bound(BipartiteMachine(*sides, torch.zeros(20, 2, 20, 2))) / 40, 4)
        0.6931
    """
    with torch.inference_mode(False), torch.enable_grad():
        sides = (machine.bias_a, machine.bias_b, machine.weight)
        return _minimised(BipartiteMachine(*(t.detach().clone().double() for t in sides)))


def _minimised(machine: BipartiteMachine) -> float:
    codes, blocks = _block_codes(machine)
    shift_a = torch.zeros_like(machine.bias_a, requires_grad=True)
    shift_b = machine.bias_b.new_zeros(blocks, *machine.bias_b.shape).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [shift_a, shift_b], max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_change=1e-4
    )
    seen = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        bound = _bound(machine, codes, blocks, shift_a, shift_b)
        bound.backward()
        seen.append(float(bound.detach()))
        return bound

    optimizer.step(closure)
    return min(seen)  # every point bounds


def _block_codes(machine: BipartiteMachine) -> tuple[Float[Tensor, "S M K"], int]:
    """Gives the codes of a block, as many latents as memory allows, and how many blocks."""
    (of_a, categories), of_b = machine.bias_a.shape, len(machine.bias_b)
    size = max(
        m
        for m in range(1, of_a + 1)
        if m == 1 or categories**m * math.ceil(of_a / m) * of_b * categories <= ELEMENTS
    )
    codes = enumerate_codes(size, categories, device=machine.bias_a.device)
    return to_one_hot(codes, categories, torch.float64), math.ceil(of_a / size)


def _bound(
    machine: BipartiteMachine,
    codes: Float[Tensor, "S M K"],
    blocks: int,
    shift_a: Float[Tensor, "A K"],
    shift_b: Float[Tensor, "N B K"],
) -> Float[Tensor, ""]:
    (of_a, categories), size = machine.bias_a.shape, codes.shape[1]
    more = blocks * size - of_a  # latents that make the last block whole: each adds log K
    inside = pad(machine.bias_a + (blocks - 1) * shift_a, (0, 0, 0, more))
    outside = (machine.bias_a - shift_a).logsumexp(-1)
    outside = pad(outside, (0, more), value=math.log(categories)).view(blocks, size).sum(-1)
    weight = pad(machine.weight, (0, 0, 0, 0, 0, 0, 0, more)).unflatten(0, (blocks, size))
    field = blocks * torch.einsum("smk,nmkbl->nsbl", codes, weight)
    biases = machine.bias_b + shift_b - shift_b.mean(0)
    of_b = (biases[:, None] + field).logsumexp(-1).sum(-1)
    of_a_inside = torch.einsum("smk,nmk->ns", codes, inside.unflatten(0, (blocks, size)))
    each = (of_a_inside + of_b).logsumexp(-1) + outside.sum() - outside
    return each.mean() - more * math.log(categories)
