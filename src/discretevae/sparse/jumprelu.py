"""The sparse autoencoder with a learned threshold for each latent."""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support, above, largest
from discretevae.sparse.steered import away

__all__ = ["JumpReLUAutoencoder", "jump", "step"]

THRESHOLD, BANDWIDTH = 0.05, 0.05
"""Of activations with E‖x‖² = d."""
PENALTY = 5.0
SHIFT, NEAR = 0.01, 0.2
"""Of all thresholds, at most, in a step that is e times away from k; none where the logarithm of
how far away it is is less than the second."""


class _Jump(Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(h, threshold)
        ctx.bandwidth = bandwidth
        return h * (h > threshold)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (h, threshold), (grad,) = ctx.saved_tensors, grads
        near = (h - threshold).abs() < ctx.bandwidth / 2
        return grad * (h > threshold), -grad * threshold / ctx.bandwidth * near, None


class _Step(Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(h, threshold)
        ctx.bandwidth = bandwidth
        return (h > threshold).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (h, threshold), (grad,) = ctx.saved_tensors, grads
        near = (h - threshold).abs() < ctx.bandwidth / 2
        return None, -grad / ctx.bandwidth * near, None


def jump(
    h: Float[Tensor, "*n"], threshold: Float[Tensor, "*n"], bandwidth: float
) -> Float[Tensor, "*n"]:
    r"""Gives h above a threshold θ, else 0, with a gradient for θ from near it.

    .. math:: a = h \, 1[h > \theta], \qquad \partial a / \partial h = 1[h > \theta], \qquad
        \partial a / \partial \theta = -\frac{\theta}{\varepsilon} 1[|h - \theta| < \varepsilon / 2]

    The last is **biased**: it estimates the gradient of the mean over h, as a kernel of width ε
    does a density, from h that are spread.

    Reference: Rajamanoharan et al., Jumping ahead: improving reconstruction fidelity with JumpReLU
    sparse autoencoders, 2024, eq. 11.

    Example:
        >>> jump(torch.tensor([0.2, 0.6]), torch.tensor([0.5, 0.5]), bandwidth=0.1)
        tensor([0.0000, 0.6000])
    """
    found: Tensor = _Jump.apply(h, threshold, bandwidth)
    return found


def step(
    h: Float[Tensor, "*n"], threshold: Float[Tensor, "*n"], bandwidth: float
) -> Float[Tensor, "*n"]:
    r"""Gives 1 above a threshold, else 0, with a gradient for the threshold alone.

    .. math:: s = 1[h > \theta], \qquad
        \partial s / \partial \theta = -\frac{1}{\varepsilon} 1[|h - \theta| < \varepsilon / 2]

    **Biased** as :func:`jump` is.

    Reference: Rajamanoharan et al., 2024, eq. 12.

    Example:
        >>> step(torch.tensor([0.2, 0.6]), torch.tensor([0.5, 0.5]), bandwidth=0.1)
        tensor([0., 1.])
    """
    found: Tensor = _Step.apply(h, threshold, bandwidth)
    return found


class JumpReLUAutoencoder(SparseAutoencoder):
    r"""Latents above a threshold of their own are active; how many are is kept near k.

    .. math:: a = h \, 1[h > \theta], \qquad
        \lVert x - \hat x \rVert^2 + \lambda \, d \, (L_0 / k - 1)^2

    with the gradients of :func:`jump` and :func:`step`, and L0 the mean of the batch. θ is learned
    itself, not its logarithm, and kept at 0 or above. Since an optimiser moves it by no more than
    its rate a step, too little for a short run, all θ are steered together besides, while L0 is
    more than a fifth away from k: with l = log(L0/k), at most 1,

    .. math:: \theta \leftarrow \theta + 0.01 \, \mathrm{sign}(l) \max(|l| - 0.2, 0)

    Arguments:
        dim: d.
        width: m.
        k: Active latents on average.
        dim_out: Of a transcoder.
        penalty: λ; with 0, nothing is steered.
        bandwidth: ε, of activations with E‖x‖² = d.

    Raises:
        ValueError: If λ is negative, or ε not positive.

    References: Rajamanoharan et al., 2024; the square: McDougall et al., Gemma Scope 2, 2025.

    Example:
        >>> model = JumpReLUAutoencoder(dim=8, width=32, k=4)
        >>> model.threshold.shape
        torch.Size([32])
    """

    kind: ClassVar[str] = "jumprelu"
    architecture: ClassVar[str] = "jumprelu"
    in_units: ClassVar[tuple[str, ...]] = ("b_enc", "b_dec", "threshold")

    def __init__(
        self,
        dim: int,
        width: int,
        k: int,
        dim_out: int | None = None,
        penalty: float = PENALTY,
        bandwidth: float = BANDWIDTH,
    ) -> None:
        super().__init__(dim, width, k, dim_out)
        if not penalty >= 0:
            raise ValueError(f"`penalty` must be at least 0, got {penalty}.")
        if not bandwidth > 0:
            raise ValueError(f"`bandwidth` must be positive, got {bandwidth}.")
        self.weight, self.bandwidth = penalty, bandwidth
        self.threshold = nn.Parameter(torch.full((width,), THRESHOLD))

    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        near = self.bandwidth / 2 if self.training else 0.0
        return largest(x, self.W_enc, self.bias, above(self.threshold.detach() - near))

    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        return jump(h, self.threshold[support.latents], self.bandwidth)

    def penalty(
        self, h: Float[Tensor, " nnz"], a: Float[Tensor, " nnz"], support: Support
    ) -> Float[Tensor, ""]:
        l0 = step(h, self.threshold[support.latents], self.bandwidth).sum() / len(support)
        return self.weight * len(self.b_dec) * (l0 / self.k - 1).square()

    @torch.no_grad()
    def start_at(self, x: Float[Tensor, "N d"], y: Float[Tensor, "N e"] | None = None) -> None:
        super().start_at(x, y)
        self.b_enc.add_(self.threshold)

    @torch.no_grad()
    def after_step(self, l0: float) -> None:
        super().after_step(l0)
        if self.weight:
            far = away(l0, self.k)
            self.threshold.add_(math.copysign(SHIFT * max(abs(far) - NEAR, 0.0), far))
        self.threshold.clamp_min_(0)

    def tensors(self) -> dict[str, Tensor]:
        return {**super().tensors(), "threshold": self.threshold.data}

    def options(self) -> dict[str, Any]:
        return {"penalty": self.weight, "bandwidth": self.bandwidth}
