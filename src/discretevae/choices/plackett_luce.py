r"""The distribution of k of n items drawn one after the other without replacement.

.. math:: p(o_1, \ldots, o_k) = \prod_{j=1}^k \frac{w_{o_j}}{\sum_{i \notin \{o_1 \ldots o_{j-1}\}}
    w_i}, \qquad w_i = \exp l_i

The k largest of l + Gumbel noise have this distribution, in their order: Gumbel-top-k. The set
without its order is **not** the conditional Poisson distribution of
:mod:`~discretevae.choices.conditional_poisson`, whose weights multiply: here a heavy item takes
less from the others. For k = 1 both are the categorical.

Reference: Plackett, The analysis of permutations, 1975; Kool, van Hoof & Welling, Stochastic beams
and where to find them: the Gumbel-top-k trick, 2019.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.choices.conditional_poisson import require_chosen
from discretevae.latents.categorical import gumbel
from discretevae.names import require_count

__all__ = ["log_prob", "sample"]


def sample(
    logits: Float[Tensor, "*B N"],
    num_chosen: int,
    samples: int = 1,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "S *B k"]:
    """Draws k items in the order in which they are drawn; nothing is differentiated.

    Raises:
        ValueError: If k lies outside [1, n], or `samples` below 1.

    Example:
        >>> sample(torch.tensor([0.0, 99.0, 0.0, 50.0]), 2)
        tensor([[1, 3]])
    """
    require_count("samples", samples)
    require_chosen(logits.shape[-1], num_chosen)
    logits = logits.detach()
    noise = gumbel((samples, *logits.shape), logits, generator)
    return (logits + noise).topk(num_chosen).indices


def log_prob(order: Int[Tensor, "*SB k"], logits: Float[Tensor, "*#SB N"]) -> Float[Tensor, "*SB"]:
    """Gives log p of items in their order, in nats; a set has the sum over its k! orders.

    Example:
        >>> log_prob(torch.tensor([1, 3]), torch.zeros(4))  # − log 4 · 3
        tensor(-2.4849)
    """
    logits = logits.expand(*order.shape[:-1], logits.shape[-1])
    marks = torch.nn.functional.one_hot(order, logits.shape[-1])
    gone = (marks.cumsum(-2) - marks).bool()  # before each draw
    left = logits[..., None, :].masked_fill(gone, -torch.inf).logsumexp(-1)
    return (logits.gather(-1, order) - left).sum(-1)
