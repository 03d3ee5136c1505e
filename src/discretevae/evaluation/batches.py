"""Batches for a model, or a clear refusal."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from discretevae.data import Batch, as_batch
from discretevae.models import VAE

__all__ = ["batches_for"]


def batches_for(model: VAE, batches: Iterable[Tensor | Batch]) -> Iterator[Batch]:
    """Gives batches that have the dimensions of observations of a model.

    Raises:
        ValueError: If one has not, or there is none.

    Example:
        >>> import torch
        >>> from discretevae.models import DiscreteVAE
        >>> [len(batch.x) for batch in batches_for(DiscreteVAE((6,)), [torch.zeros(5, 6)])]
        [5]
    """
    found = False
    for batch in map(as_batch, batches):
        found = True
        if batch.x.ndim != len(model.shape) + 1 or len(batch.x) == 0:
            raise ValueError(
                f"`batches` must have shape (N, *{model.shape}) with N of at least 1, "
                f"got {tuple(batch.x.shape)}."
            )
        yield batch
    if not found:
        raise ValueError("`batches` must hold at least one batch, got none.")
