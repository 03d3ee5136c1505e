"""The sparse autoencoder with k active latents."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support, largest, of_row

__all__ = ["TopKAutoencoder"]


class TopKAutoencoder(SparseAutoencoder):
    r"""The k largest latents of each activation are active, as far as they are positive.

    .. math:: a = \mathrm{relu}(\mathrm{topk}(h)), \qquad \lVert x - \hat x \rVert^2

    Arguments:
        dim: d.
        width: m.
        k: Active latents.
        dim_out: Of a transcoder.

    Reference: Gao et al., Scaling and evaluating sparse autoencoders, 2024, eq. 3 and 4.

    Example:
        >>> import torch
        >>> model = TopKAutoencoder(dim=8, width=32, k=4)
        >>> int((model.encode(torch.randn(1, 8)) > 0).sum())
        4
    """

    kind: ClassVar[str] = "topk"
    architecture: ClassVar[str] = "topk"

    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        return largest(x, self.W_enc, self.bias, of_row(self.k))

    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        return h.relu()
