"""The contrastive loss between two views of the same examples."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["SIMILARITIES", "Similarity", "cosine", "dot", "info_nce"]

Similarity = Callable[[Tensor, Tensor], Tensor]
"""Compares every row of (B, E) with every row of (M, E): (B, M)."""


def dot(first: Float[Tensor, "B E"], second: Float[Tensor, "M E"]) -> Float[Tensor, "B M"]:
    """Gives the inner product of every pair of rows.

    Example:
        >>> dot(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
        tensor([[ 3., 25.]])
    """
    return first @ second.mT


def cosine(first: Float[Tensor, "B E"], second: Float[Tensor, "M E"]) -> Float[Tensor, "B M"]:
    """Gives the cosine of the angle between every pair of rows; 0 where a row is zero.

    Example:
        >>> cosine(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
        tensor([[0.6000, 1.0000]])
    """
    return dot(_unit(first), _unit(second))


def _unit(rows: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    # With the largest entry at 1 no square overflows, and the norm is at least 1 unless all are 0.
    largest = rows.detach().abs().amax(-1, keepdim=True)
    scaled = rows / largest.where(largest > 0, 1)
    return scaled / scaled.norm(dim=-1, keepdim=True).clamp_min(1)


SIMILARITIES: dict[str, Similarity] = {"cosine": cosine, "dot": dot}


def info_nce(
    first: Float[Tensor, "B E"],
    second: Float[Tensor, "M E"],
    temperature: float = 0.1,
    similarity: Similarity = cosine,
    symmetric: bool = True,
) -> Float[Tensor, " B"]:
    r"""Asks each example to recognise its other view among those of the batch, in nats.

    .. math:: \ell_b = -\log \frac{e^{s(u_b, v_b) / \tau}}{\sum_{c=1}^B e^{s(u_b, v_c) / \tau}}

    for the two views u and v of B examples; if `symmetric`, the mean of this and of the same with
    u and v exchanged. If the examples are independent draws, either bounds the information
    between the views, :math:`I(u; v) \ge \log B - \mathbb{E}[\ell_b]`, whatever the similarity;
    it cannot show more than log B. NT-Xent differs in that the candidates of :math:`u_b` include
    the other u.

    Arguments:
        first: u, (B, E); row b of both is one example.
        second: v, (B, E).
        temperature: τ > 0.
        similarity: s of every pair, such as those of `SIMILARITIES`.
        symmetric: Whether v is asked to recognise u as well.

    Raises:
        ValueError: If the shapes differ, B is below 2, or `temperature` is not positive.

    Reference: van den Oord, Li & Vinyals, Representation Learning with Contrastive Predictive
    Coding, 2018, eq. 4. Symmetric: Radford et al., Learning Transferable Visual Models From
    Natural Language Supervision, 2021. Bound: Poole et al., On Variational Bounds of Mutual
    Information, 2019. NT-Xent: Chen et al., A Simple Framework for Contrastive Learning of Visual
    Representations, 2020.

    Example:
        >>> info_nce(torch.eye(3), torch.eye(3), temperature=1.0)  # log(1 + 2 / e)
        tensor([0.5514, 0.5514, 0.5514])
    """
    if first.shape != second.shape:
        raise ValueError(
            f"`second` must have the shape of `first`, {tuple(first.shape)}, "
            f"got {tuple(second.shape)}."
        )
    if len(first) < 2:
        raise ValueError(f"`first` must hold at least 2 examples to contrast, got {len(first)}.")
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive, got {temperature}.")
    wide = torch.promote_types(first.dtype, torch.float32)
    with torch.autocast(first.device.type, enabled=False):
        scores = similarity(first.to(wide), second.to(wide)) / temperature
        of_second, of_first = (-scores.log_softmax(axis).diagonal() for axis in (1, 0))
    return (of_second + of_first) / 2 if symmetric else of_second
