"""A categorical of which a part is uniform."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents import require_sizes

__all__ = ["mix_uniform", "require_share"]


def mix_uniform(logits: Float[Tensor, "*B K"], uniform: float) -> Float[Tensor, "*B K"]:
    r"""Gives the logits of a categorical that is uniform with probability u ("unimix").

    .. math:: \log p_k, \qquad p = (1 - u) \, \mathrm{softmax}(l) + u / K

    No class is then less probable than u / K, and no KL to p larger than log(K / u); a class that a
    logit of −inf ruled out comes back. Whatever takes the result as logits is of p: samples,
    gradient and KL alike. In float32 at least, also under autocast.

    Arguments:
        logits: Of the categorical.
        uniform: u in [0, 1); 0 leaves the logits as they are.

    Raises:
        ValueError: If `uniform` lies outside [0, 1), or K is below 2.

    Reference: Hafner, Pasukonis, Ba & Lillicrap, Mastering diverse domains through world models,
    2023, with u = 0.01.

    Example:
        >>> mix_uniform(torch.tensor([99.0, 0.0]), uniform=0.1).exp()
        tensor([0.9500, 0.0500])
    """
    require_share(uniform)
    require_sizes(1, logits.shape[-1])
    if uniform == 0:
        return logits
    with torch.autocast(logits.device.type, enabled=False):
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        log_q = wide.log_softmax(-1)
        floor = torch.full_like(log_q, math.log(uniform / logits.shape[-1]))
        return torch.logaddexp(log_q + math.log1p(-uniform), floor)


def require_share(uniform: float) -> None:
    """Refuses what is no share of a distribution that is left.

    Raises:
        ValueError: If `uniform` lies outside [0, 1).
    """
    if not 0 <= uniform < 1:
        raise ValueError(f"`uniform` must lie in [0, 1), got {uniform}.")
