r"""The distribution of k of n items whose weights multiply: exact in all that is asked of it.

.. math:: p(S) = \frac{\prod_{i \in S} w_i}{e_k(w)}, \qquad |S| = k, \quad w_i = \exp l_i, \quad
    e_k(w) = \sum_{|S| = k} \prod_{i \in S} w_i

It is n independent Bernoulli variables, l their logits, given that k of them are one: conditional
Poisson sampling. It is **not** what Gumbel-top-k draws, k items one after the other without
replacement: that is :mod:`~discretevae.choices.plackett_luce`. For k = 1 both are the categorical.

The elementary symmetric polynomials e_j of all items come from those of halves, quarters and so on,
in log space: time and memory O(n k) and a depth of log₂ n, where the recursion over items has a
depth of n. A logit of −inf rules its item out; k of them must be left.

Reference: Chen, Dempster & Liu, Weighted finite population sampling to maximize entropy, 1994; in
networks, Ahmed, Zeng, Niepert & Van den Broeck, SIMPLE: a gradient estimator for k-subset sampling,
2023.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from discretevae.latents.categorical import gumbel
from discretevae.names import require_count

__all__ = [
    "entropy",
    "kl_divergence",
    "log_partition",
    "log_prob",
    "marginals",
    "require_chosen",
    "sample",
]

BUDGET = 2**22
"""The largest n · k, numbers of a table for each example: 16 MiB in float32."""
NEVER = -1e30
"""Stands for log 0: a thousand of them are still finite in float32, and their differences too."""


def log_partition(logits: Float[Tensor, "*B N"], num_chosen: int) -> Float[Tensor, "*B"]:
    """Gives log e_k(w), the log of the normaliser.

    Raises:
        ValueError: If k lies outside [1, n], or n · k is beyond the budget.

    Example:
        >>> log_partition(torch.zeros(5), 2).exp()  # 10 pairs of 5
        tensor(10.)
    """
    log_w, largest = _shifted(logits, num_chosen)
    return _levels(log_w, num_chosen)[-1][..., 0, num_chosen] + num_chosen * largest[..., 0]


def log_prob(
    z: Float[Tensor, "*SB N"], logits: Float[Tensor, "*#SB N"], num_chosen: int
) -> Float[Tensor, "*SB"]:
    """Gives log p(S) in nats of sets that are given as k ones among n numbers.

    Raises:
        ValueError: If k lies outside [1, n], or n · k is beyond the budget.

    Example:
        >>> z = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
        >>> log_prob(z, torch.zeros(5), 2)  # − log 10
        tensor(-2.3026)
    """
    log_w, _ = _shifted(logits, num_chosen)
    return (z * log_w).sum(-1) - _levels(log_w, num_chosen)[-1][..., 0, num_chosen]


def marginals(logits: Float[Tensor, "*B N"], num_chosen: int) -> Float[Tensor, "*B N"]:
    r"""Gives the probability of each item to be among the k; they sum to k.

    .. math:: \mu_i = w_i \frac{e_{k-1}(w_{\setminus i})}{e_k(w)}
        = \frac{\partial \log e_k(w)}{\partial l_i}

    Raises:
        ValueError: If k lies outside [1, n], or n · k is beyond the budget.

    Example:
        >>> marginals(torch.tensor([0.0, 0.0, 0.0, 2.0]), 2)
        tensor([0.3731, 0.3731, 0.3731, 0.8808])
    """
    log_w, _ = _shifted(logits, num_chosen)
    return _marginals(log_w, _levels(log_w, num_chosen), num_chosen)


def entropy(logits: Float[Tensor, "*B N"], num_chosen: int) -> Float[Tensor, "*B"]:
    r"""Gives the entropy of the set, :math:`\log e_k(w) - \sum_i \mu_i l_i`, in nats.

    Raises:
        ValueError: If k lies outside [1, n], or n · k is beyond the budget.

    Example:
        >>> entropy(torch.zeros(5), 2)  # log 10
        tensor(2.3026)
    """
    log_w, _ = _shifted(logits, num_chosen)
    levels = _levels(log_w, num_chosen)
    mu = _marginals(log_w, levels, num_chosen)
    return levels[-1][..., 0, num_chosen] - (mu * log_w).sum(-1)


def kl_divergence(
    logits: Float[Tensor, "*B N"], prior_logits: Float[Tensor, "*#B N"], num_chosen: int
) -> Float[Tensor, "*B"]:
    r"""Gives KL(q ‖ p) of two such distributions of k items in closed form, in nats.

    .. math:: \sum_i \mu_i (l_i - l'_i) - \log e_k(w) + \log e_k(w')

    Raises:
        ValueError: If k lies outside [1, n], or n · k is beyond the budget.

    Example:
        >>> kl_divergence(torch.tensor([99.0, 99.0, 0.0, 0.0, 0.0]), torch.zeros(5), 2)  # log 10
        tensor(2.3026)
    """
    cross = (marginals(logits, num_chosen) * _shifted(prior_logits, num_chosen)[0]).sum(-1)
    shift = num_chosen * prior_logits.detach().amax(-1)
    return log_partition(prior_logits, num_chosen) - shift - cross - entropy(logits, num_chosen)


@torch.no_grad()
def sample(
    logits: Float[Tensor, "*B N"],
    num_chosen: int,
    samples: int = 1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "S *B N"]:
    """Draws exact sets, k ones among n numbers: how many of the k lie in each half, and so on down.

    Raises:
        ValueError: If k lies outside [1, n], n · k is beyond the budget, or `samples` below 1.

    Example:
        >>> sample(torch.zeros(5), 2, samples=3).sum(-1)
        tensor([2., 2., 2.])
    """
    require_count("samples", samples)
    log_w, _ = _shifted(logits.detach(), num_chosen)
    *below, root = _levels(log_w, num_chosen)
    shape = (samples, *root.shape[:-1])
    count = torch.full(shape, num_chosen, device=logits.device)
    for level in reversed(below):
        left, right = level[..., 0::2, :], level[..., 1::2, :]
        most = level.shape[-1] - 1
        here = torch.arange(most + 1, device=logits.device)  # of the count, those to the left
        there = count[..., None] - here
        possible = (there >= 0) & (there <= most)
        rest = right.expand(there.shape).gather(-1, there.clamp(0, most))
        scores = (left + rest).masked_fill(~possible, -torch.inf)
        chosen = (scores + gumbel(scores.shape, scores, generator)).argmax(-1)
        count = torch.stack([chosen, count - chosen], -1).flatten(-2)
    return count[..., : logits.shape[-1]].to(logits.dtype)


def require_chosen(num_items: int, num_chosen: int) -> None:
    """Refuses sizes that leave no choice or take too much memory.

    Raises:
        ValueError: If n is below 2, k outside [1, n], or n · k beyond the budget.

    Example:
        >>> require_chosen(4, 5)
        Traceback (most recent call last):
        ValueError: `num_chosen` must lie in [1, `num_items`] = [1, 4], got 5.
    """
    require_count("num_items", num_items, 2)
    if not 1 <= num_chosen <= num_items:
        raise ValueError(
            f"`num_chosen` must lie in [1, `num_items`] = [1, {num_items}], got {num_chosen}."
        )
    if num_items * num_chosen > BUDGET:
        raise ValueError(
            f"`num_items` · `num_chosen` must be at most {BUDGET}, got {num_items * num_chosen}."
        )


def _shifted(
    logits: Float[Tensor, "*B N"], num_chosen: int
) -> tuple[Float[Tensor, "*B N"], Float[Tensor, "*B 1"]]:
    """Gives logits whose largest is 0, and what was taken off: p does not depend on it."""
    require_chosen(logits.shape[-1], num_chosen)
    largest = logits.detach().amax(-1, keepdim=True)
    return (logits - largest).clamp_min(NEVER), largest


def _levels(log_w: Float[Tensor, "*B N"], num_chosen: int) -> list[Tensor]:
    """Gives log e_j of the items below each node of a binary tree, from the leaves to the root."""
    missing = (1 << (log_w.shape[-1] - 1).bit_length()) - log_w.shape[-1]
    leaves = pad(log_w, (0, missing), value=NEVER)
    levels = [torch.stack([torch.zeros_like(leaves), leaves], -1)]
    while levels[-1].shape[-2] > 1:
        left, right = levels[-1][..., 0::2, :], levels[-1][..., 1::2, :]
        levels.append(_product(left, right, num_chosen))
    return levels


def _product(
    left: Float[Tensor, "*B M J"], right: Float[Tensor, "*B M J"], num_chosen: int
) -> Float[Tensor, "*B M C"]:
    r"""Multiplies polynomials: :math:`\log \sum_i \exp(L_i + R_{c-i})` for c up to k."""
    size = left.shape[-1]
    pairs = left[..., :, None] + right[..., None, :]
    # Row i, made longer by `size` and cut anew one number earlier, is i places further right.
    slanted = pad(pairs, (0, size), value=NEVER).flatten(-2)[..., :-size]
    by_sum = slanted.unflatten(-1, (size, 2 * size - 1))
    return by_sum[..., : num_chosen + 1].logsumexp(-2)


def _windows(x: Float[Tensor, "*B M P"], width: int) -> Float[Tensor, "*B M I J"]:
    """Gives x_{i+j} in row i; as `unfold`, whose backward pass `torch.func.vmap` would loop over.

    Example:
        >>> _windows(torch.tensor([[1.0, 2.0, 3.0]]), 2)
        tensor([[[1., 2.],
                 [2., 3.]]])
    """
    rows = x.shape[-1] - width + 1
    repeated = x[..., None, :].expand(*x.shape[:-1], rows, x.shape[-1]).flatten(-2)
    return pad(repeated, (0, rows)).unflatten(-1, (rows, x.shape[-1] + 1))[..., :width]


def _marginals(
    log_w: Float[Tensor, "*B N"], levels: list[Tensor], num_chosen: int
) -> Float[Tensor, "*B N"]:
    """Goes down the tree with the weight of all that lies outside of each node."""
    *below, root = levels
    outside = torch.full_like(root, NEVER)
    outside[..., num_chosen] = 0
    for level in reversed(below):
        most = level.shape[-1] - 1
        room = 2 * most + 1 - outside.shape[-1]
        shifted = _windows(pad(outside, (0, room), value=NEVER), most + 1)  # O_{i+j} in row i
        of_left = (shifted + level[..., 1::2, None, :]).logsumexp(-1)
        of_right = (shifted + level[..., 0::2, None, :]).logsumexp(-1)
        outside = torch.stack([of_left, of_right], -2).flatten(-3, -2)
    log_mu = outside[..., : log_w.shape[-1], 1] + log_w - root[..., num_chosen]
    return log_mu.exp()
