"""What a model makes of its data, as rows of numbers that clustering and probes take."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from discretevae.data import Batch, generator
from discretevae.evaluation.batches import batches_for
from discretevae.models import VAE

__all__ = ["draw_rows", "representations", "require_rows"]


@torch.no_grad()
def representations(
    model: VAE, batches: Iterable[Tensor | Batch]
) -> dict[str, Float[np.ndarray, "N F"]]:
    r"""Encodes a data set, one row an example.

    A :class:`~discretevae.models.DiscreteVAE` gives "probabilities", :math:`q(z_{dk} = 1 | x)`,
    and "codes", the most probable category of each latent as one-hot; both have
    F = D·K columns, of which number dK + k is category k of latent d. A
    :class:`~discretevae.models.GaussianVAE` gives "mean", :math:`\mu(x)`, with F = L. Nothing is
    sampled; the mode of the model (training or evaluation) is left as it is.

    Raises:
        ValueError: If there are no batches, or the model gives NaN.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((6,), num_latents=2, num_categories=3)
        >>> found = representations(model, [torch.zeros(5, 6), torch.ones(5, 6)])
        >>> {name: x.shape for name, x in found.items()}
        {'codes': (10, 6), 'probabilities': (10, 6)}
    """
    variable = model.exposed
    parts = [model.posterior(*batch).cpu() for batch in batches_for(model, batches)]
    posterior = torch.cat(parts)
    broken = int(posterior.isnan().flatten(1).any(1).sum())
    if broken:
        raise ValueError(
            f"`model` must give numbers, got NaN for {broken} of {len(posterior)} examples."
        )
    found = variable.representations(posterior)
    return {name: rows.flatten(1).numpy() for name, rows in found.items()}


def draw_rows(rows: int, most: int, *key: int | str) -> Int[np.ndarray, " n"]:
    """Chooses min(rows, most) different rows, in order: the random stream is that of the key.

    Example:
        >>> draw_rows(3, 10, "test", 0)
        array([0, 1, 2])
        >>> len(draw_rows(100, 10, "test", 0))
        10
    """
    return torch.randperm(rows, generator=generator(*key))[:most].sort().values.numpy()


def require_rows(
    x: Float[np.ndarray, "N F"], labels: Integer[np.ndarray, " L"] | None, names: tuple[str, str]
) -> None:
    """Refuses what cannot be measured: no rows, numbers that are not finite, a label too few.

    Raises:
        ValueError: Naming the argument by `names`, those of `x` and of `labels`.

    Example:
        >>> require_rows(np.zeros((2, 3)), np.array([0]), ("x", "labels"))
        Traceback (most recent call last):
        ValueError: `labels` must have one label for each of the 2 rows of `x`, got 1.
    """
    if not len(x):
        raise ValueError(f"`{names[0]}` must have at least one row, got none.")
    if not np.isfinite(x).all():
        raise ValueError(
            f"`{names[0]}` must be finite, got {np.sum(~np.isfinite(x))} numbers that are not."
        )
    if labels is not None and len(labels) != len(x):
        raise ValueError(
            f"`{names[1]}` must have one label for each of the {len(x)} rows of `{names[0]}`, "
            f"got {len(labels)}."
        )
