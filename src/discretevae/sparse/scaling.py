"""One latent made stronger or weaker, or taken out."""

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.sparse.autoencoder import SparseAutoencoder

__all__ = ["scale_latent"]


@torch.no_grad()
def scale_latent(
    model: SparseAutoencoder, x: Float[Tensor, "*B d"], latent: int, times: float
) -> Float[Tensor, "*B d"]:
    r"""Gives activations in which one latent has t times its amplitude; all else stays.

    .. math:: x + (t - 1) \, a_j(x) \, W_{dec, j}

    so that t = 0 takes the latent out and t = 1 changes nothing. What the code leaves out of x
    stays as well, and so does x where the latent is not active.

    Arguments:
        model: An autoencoder.
        x: Activations.
        latent: j.
        times: t.

    Raises:
        ValueError: If there is no such latent, or the model is a transcoder.

    Example:
        >>> from discretevae.sparse.topk import TopKAutoencoder
        >>> model, x = TopKAutoencoder(dim=4, width=8, k=8).eval(), torch.randn(3, 4)
        >>> bool((scale_latent(model, x, latent=5, times=1.0) == x).all())
        True
    """
    if model.transcodes:
        raise ValueError("`model` must be an autoencoder, whose x̂ is of x, got a transcoder.")
    if not 0 <= latent < model.width:
        raise ValueError(f"`latent` must be from 0 to {model.width - 1}, got {latent}.")
    rows = x.reshape(-1, x.shape[-1])
    a, support = model.active(rows)
    here = support.latents == latent
    amplitudes = rows.new_zeros(len(rows)).index_add_(0, support.rows[here], a[here])
    moved = (times - 1) * amplitudes[:, None] * model.W_dec[latent]
    return x + moved.reshape(x.shape)
