"""The softmax over the experts whose logits are near the largest."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["masked_logits"]


def masked_logits(logits: Float[Tensor, "*B N"], r: float = 0.1) -> Float[Tensor, "*B N"]:
    r"""Puts −∞ where a logit lies far below the largest, so that a softmax gives it nothing.

    .. math:: z_i \to -\infty \quad \text{if} \quad z^* - z_i > r (|z_i| + |z^*|),
        \qquad z^* = \max_j z_j

    This is the test of the paper. The code that was published with it tests
    :math:`(z^* - z_i) / \max(|z_i|, z^*) > 2r` instead: the same where both are equal in size, more
    lenient elsewhere. An expert that is ruled out gets no token and no gradient. The largest stays.

    Arguments:
        logits: z.
        r: Half the relative distance at which an expert is ruled out, in [0, 1): at r ≥ 1 none
            would be.

    Raises:
        ValueError: If r lies outside [0, 1).

    Reference: Liu et al., GRIN: gradient-informed MoE, 2024, appendix A; published r = 0.1, "a full
    softmax doesn't work well".

    Example:
        >>> masked_logits(torch.tensor([1.0, 0.9, 0.5])).softmax(-1)
        tensor([0.5250, 0.4750, 0.0000])
    """
    if not 0 <= r < 1:
        raise ValueError(f"`r` must lie in [0, 1), got {r}.")
    best = logits.detach().amax(-1, keepdim=True)
    far = best - logits.detach() > r * (logits.detach().abs() + best.abs())
    return logits.masked_fill(far, -torch.inf)
