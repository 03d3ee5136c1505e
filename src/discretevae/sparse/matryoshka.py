"""The sparse autoencoder whose first latents are an autoencoder by themselves."""

from collections.abc import Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from discretevae.sparse.batch_topk import BatchTopKAutoencoder
from discretevae.sparse.products import Support, decoded

__all__ = ["MatryoshkaAutoencoder"]

LEVELS = 5
"""Widths by default, each twice the one before."""


class MatryoshkaAutoencoder(BatchTopKAutoencoder):
    r"""Active as :class:`BatchTopKAutoencoder`; the first latents have to do alone as well.

    .. math:: \sum_w \lVert x - a_{1 \dots w} W_{dec, 1 \dots w} - b_{dec} \rVert^2

    so that general directions come first and are not split among special ones. It has k active
    from the start: with more to spare, the first latents become sums of directions, which later
    ones take apart again, and stay so.

    Arguments:
        dim: d.
        width: m.
        k: Active latents on average.
        dim_out: Of a transcoder.
        widths: w, growing, the last of them m; by default m/16, m/8, m/4, m/2 and m.

    Raises:
        ValueError: If they do not grow to m.

    Reference: Bussmann, Nabeshima, Karvonen & Nanda, Learning multi-level features with Matryoshka
    sparse autoencoders, 2025, eq. 5.

    Example:
        >>> MatryoshkaAutoencoder(dim=8, width=32, k=4).widths
        (2, 4, 8, 16, 32)
    """

    kind: ClassVar[str] = "matryoshka"
    at_first: ClassVar[int] = 1

    def __init__(
        self,
        dim: int,
        width: int,
        k: int,
        dim_out: int | None = None,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__(dim, width, k, dim_out)
        halves = {max(1, width >> level) for level in range(LEVELS)}
        self.widths = tuple(sorted(halves) if widths is None else widths)
        growing = all(a < b for a, b in zip((0, *self.widths), self.widths, strict=False))
        if not growing or self.widths[-1:] != (width,):
            raise ValueError(f"`widths` must grow from 1 or more to {width}, got {self.widths}.")

    def errors(
        self, a: Float[Tensor, " nnz"], support: Support, y: Float[Tensor, "B e"]
    ) -> tuple[Float[Tensor, "B e"], Float[Tensor, ""]]:
        error, squared, first = y - self.b_dec, a.new_zeros(()), 0
        for end in self.widths:
            here = (support.latents >= first) & (support.latents < end)
            error = error - decoded(a[here], self.W_dec, support.where(here))
            squared, first = squared + error.square().sum(-1).mean(), end
        return error, squared

    def options(self) -> dict[str, Any]:
        return {"widths": list(self.widths)}
