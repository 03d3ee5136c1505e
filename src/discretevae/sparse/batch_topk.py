"""The sparse autoencoder with k active latents on average."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support, above, largest, of_batch

__all__ = ["BatchTopKAutoencoder"]

RATE = 0.01
"""Of the moving average."""


class BatchTopKAutoencoder(SparseAutoencoder):
    r"""The k·B largest latents of a batch are active, so that hard activations may take more.

    .. math:: a = \mathrm{relu}(\mathrm{topk}_{kB}(h_{1 \dots B})), \qquad
        \lVert x - \hat x \rVert^2

    In evaluation each activation is by itself: latents above a threshold are active, which is a
    moving average of a batch's least amplitude, and in the end :meth:`calibrate` sets it so that k
    are active on average. What is saved is a JumpReLU.

    Arguments:
        dim: d.
        width: m.
        k: Active latents on average.
        dim_out: Of a transcoder.

    Reference: Bussmann, Leask & Nanda, BatchTopK sparse autoencoders, 2024, eq. 5 to 7.

    Example:
        >>> model = BatchTopKAutoencoder(dim=8, width=32, k=4)
        >>> int((model.encode(torch.randn(5, 8)) > 0).sum())
        20
    """

    kind: ClassVar[str] = "batch-topk"
    architecture: ClassVar[str] = "jumprelu"
    in_units: ClassVar[tuple[str, ...]] = ("b_enc", "b_dec", "threshold")
    threshold: Tensor

    def __init__(self, dim: int, width: int, k: int, dim_out: int | None = None) -> None:
        super().__init__(dim, width, k, dim_out)
        self.register_buffer("threshold", torch.zeros(()))

    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        if not self.training:
            return largest(x, self.W_enc, self.bias, above(self.threshold))
        support, values = of_batch(x, self.W_enc, self.bias, self.k * len(x))
        if len(values):
            least = values.min()
            rate = RATE if float(self.threshold) > 0 else 1.0
            self.threshold.lerp_(least, rate)
        return support, values

    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        return h.relu()

    def tensors(self) -> dict[str, Tensor]:
        return {**super().tensors(), "threshold": self.threshold.repeat(self.width)}

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_tensors(tensors)
        self.threshold.copy_(tensors["threshold"][0])

    @torch.no_grad()
    def calibrate(self, x: Float[Tensor, "N d"]) -> None:
        _, values = of_batch(x, self.W_enc, self.bias, self.k * len(x) + 1)
        if len(values) > self.k * len(x):
            # Between the last that is wanted and the next, so that no rounding decides.
            self.threshold.copy_(values.topk(2, largest=False).values.mean())
        else:
            self.threshold.zero_()
