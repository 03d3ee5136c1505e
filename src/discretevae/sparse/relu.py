"""The sparse autoencoder with an L1 penalty."""

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support, above, largest
from discretevae.sparse.steered import SteeredWeight

__all__ = ["ReLUAutoencoder"]


class ReLUAutoencoder(SparseAutoencoder):
    r"""All latents above zero are active; their sum is penalised.

    .. math:: a = \mathrm{relu}(h), \qquad
        \lVert x - \hat x \rVert^2 + \lambda \sum_j a_j \lVert W_{dec,j} \rVert

    with rows of norm 1. The penalty makes amplitudes smaller than they should be; it is the
    maximum a posteriori of an exponential amplitude.

    Arguments:
        dim: d.
        width: m.
        k: The mean number of active latents towards which λ is steered.
        dim_out: Of a transcoder.
        penalty: λ, which then stays; by default :class:`SteeredWeight`.

    Reference: Bricken et al., Towards monosemanticity, 2023.

    Example:
        >>> import torch
        >>> model = ReLUAutoencoder(dim=8, width=32, k=4)
        >>> model.encode(torch.randn(5, 8)).shape
        torch.Size([5, 32])
    """

    kind: ClassVar[str] = "relu"
    architecture: ClassVar[str] = "standard"

    def __init__(
        self,
        dim: int,
        width: int,
        k: int,
        dim_out: int | None = None,
        penalty: float | None = None,
    ) -> None:
        super().__init__(dim, width, k, dim_out)
        self.weight = SteeredWeight(penalty)

    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        return largest(x, self.W_enc, self.bias, above(0.0))

    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        return h.relu()

    def penalty(
        self, h: Float[Tensor, " nnz"], a: Float[Tensor, " nnz"], support: Support
    ) -> Float[Tensor, ""]:
        return self.weight.value * a.sum() / len(support)

    def after_step(self, l0: float) -> None:
        super().after_step(l0)
        self.weight.steer(l0, self.k)

    def options(self) -> dict[str, Any]:
        return {"penalty": self.weight.fixed}
