"""A KL that is not pressed below a floor."""

from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["free_bits"]


def free_bits(
    kl: Float[Tensor, "*B D"],
    floor: float,
    of_prior: Float[Tensor, "*B D"] | None = None,
    above: Bool[Tensor, " D"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Sums the KL of the latents, each of which counts at least `floor` nats.

    .. math:: \sum_d \max(\lambda, \overline{\mathrm{KL}}_d)

    with the mean over the batch: it is this whose value and gradient the mean of the result has.
    A latent below the floor has no gradient, so nothing drives it to collapse. A trained
    surrogate: never part of a bound.

    Arguments:
        kl: KL of each latent, in nats.
        floor: λ ≥ 0, in nats per latent; 0 leaves the KL as it is.
        of_prior: The same KL with q held still. Below the floor its gradient is kept, so that a
            prior that learns goes on following q, which is free there.
        above: Which latents are above the floor, where the mean that says so is not that of `kl`:
            one variable of several, given the others.

    Reference: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow,
    2016, eq. 15, each latent being a group.

    Example:
        >>> import torch
        >>> free_bits(torch.tensor([[0.1, 2.0], [0.3, 4.0]]), floor=0.5)
        tensor([2.5000, 4.5000])
    """
    if floor == 0:
        return kl.sum(-1)
    if above is None:
        above = kl.detach().reshape(-1, kl.shape[-1]).mean(0) > floor
    below = 0.0 if of_prior is None else of_prior - of_prior.detach()
    return kl.where(above, floor + below).sum(-1)
