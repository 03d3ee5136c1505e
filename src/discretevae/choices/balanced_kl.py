"""The KL as world models train it: balanced between prior and posterior, with free nats."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents import categorical

__all__ = ["balanced_kl"]


def balanced_kl(
    logits: Float[Tensor, "*B D K"],
    prior_logits: Float[Tensor, "*B D K"],
    dyn: float = 0.8,
    rep: float = 0.2,
    free_nats: float = 1.0,
) -> Float[Tensor, "*B"]:
    r"""Draws the prior towards the posterior, and less the posterior towards the prior.

    .. math:: \alpha \max\!\big(\lambda, \mathrm{KL}(\mathrm{sg}(q) \| p)\big)
        + \beta \max\!\big(\lambda, \mathrm{KL}(q \| \mathrm{sg}(p))\big)

    with α = `dyn`, β = `rep`, sg a stopped gradient, and the KL summed over the D latents of an
    example, in nats, before it meets the floor λ. **A trained surrogate**: below λ it has neither
    the value nor the gradient of the KL, above λ the value only where α + β = 1. The true one is
    :func:`discretevae.latents.categorical.kl_divergence`, or `OneHotChoice.kl`.

    Arguments:
        logits: Of the posterior q.
        prior_logits: Of the prior p.
        dyn: α ≥ 0, of the gradient for the prior ("dynamics loss"). DreamerV2's balance is α, with
            β = 1 − α and no floor; DreamerV3 has α = 1, β = 0.1 and λ = 1.
        rep: β ≥ 0, of the gradient for the posterior ("representation loss").
        free_nats: λ ≥ 0, in nats per example.

    Raises:
        ValueError: If `dyn`, `rep` or `free_nats` is negative or not finite.

    Reference: Hafner, Lillicrap, Norouzi & Ba, Mastering Atari with discrete world models, 2021,
    algorithm 2; Hafner, Pasukonis, Ba & Lillicrap, Mastering diverse domains through world models,
    2023.

    Example:
        >>> q = torch.tensor([[9.0, 0.0]], requires_grad=True)
        >>> p = torch.zeros(1, 2, requires_grad=True)
        >>> balanced_kl(q, p, free_nats=0.0)  # 0.8 + 0.2 of nearly log 2
        tensor(0.6919, grad_fn=<AddBackward0>)
    """
    for name, value in {"dyn": dyn, "rep": rep, "free_nats": free_nats}.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and at least 0, got {value}.")
    with torch.autocast(logits.device.type, enabled=False):
        wide = torch.promote_types(logits.dtype, torch.float32)
        q, p = logits.to(wide), prior_logits.to(wide)
        of_prior = categorical.kl_divergence(q.detach(), p).sum(-1)
        of_posterior = categorical.kl_divergence(q, p.detach()).sum(-1)
        return dyn * of_prior.clamp_min(free_nats) + rep * of_posterior.clamp_min(free_nats)
