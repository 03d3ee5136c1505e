"""The optimisers a run can use."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer, RAdam
from torch.optim import Muon as TorchMuon

__all__ = ["OPTIMIZERS", "MuonWithAdam", "orthogonalised"]

WEIGHT_DECAY = 0.1
"""Of the matrices; it took a nat from the gap between train and test ELBO on MNIST."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of the iteration."""
ITERATIONS = 5
WIDE = {torch.float32: 3, torch.bfloat16: 8}
"""So many times as wide as high, a matrix is cheaper to multiply at the end alone."""


@cache
def fast_dtype(device: str) -> torch.dtype:
    """Which type a kind of device multiplies matrices in fastest: bfloat16 only in hardware."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
    hardware = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    fast = device == "cpu" and hardware and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def orthogonalised(
    matrix: Float[Tensor, "m n"], dtype: torch.dtype | None = None
) -> Float[Tensor, "m n"]:
    r"""Gives nearly :math:`U V^\top` of :math:`U \Sigma V^\top`, by Newton and Schulz's iteration.

    .. math:: X \leftarrow P X, \qquad P = a I + b A + c A^2, \qquad A = X X^\top

    All P are polynomials of the first A, so that a wide matrix need be multiplied only once, by
    their product.

    Arguments:
        matrix: To be made orthogonal.
        dtype: In which it is multiplied; by default the fastest here.

    References: Jordan et al., Muon, 2024.

    Example:
        >>> u = orthogonalised(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]]))
        >>> bool(((u @ u.T).diagonal() - 1).abs().max() < 0.6)
        True
    """
    dtype = dtype or fast_dtype(matrix.device.type)
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = x / x.norm().clamp_min(1e-7)
    wide = x.shape[1] >= WIDE[dtype] * len(x)
    x = _at_the_end(x.float()) if wide else _step_by_step(x.to(dtype))
    return x.T if len(matrix) > matrix.shape[1] else x


def _step_by_step(x: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _at_the_end(x: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    a, b, c = COEFFICIENTS
    gram = x @ x.T  # in bfloat16 it would have negative eigenvalues, which grow
    product = p = torch.eye(len(x), device=x.device)
    for _ in range(ITERATIONS):
        gram = p @ gram @ p
        p = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal().add_(a)
        product = p @ product
    return product.to(x.dtype) @ x


class Muon(TorchMuon):
    """torch's, whose iteration is in bfloat16 everywhere, in the type that is fast here."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step."""
        for group in self.param_groups:
            rate, momentum = float(group["lr"]), group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                mean = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
                update = orthogonalised(weight.grad.lerp(mean, momentum))
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(update, alpha=-0.2 * rate * max(weight.shape) ** 0.5)


class MuonWithAdam(Optimizer):
    r"""Orthogonalises the update of every matrix; Adam takes care of all that is no matrix.

    .. math:: W \leftarrow (1 - 0.1 \, \eta) W - 0.2 \, \eta \sqrt{\max(m, n)} \; U V^\top,
        \qquad U \Sigma V^\top = \text{momentum of the gradient}

    The factor gives the update the size that Adam's has, so both share one learning rate η.
    A step costs matrix products of the weights' own size, whatever the batch: use batches of
    some hundred examples.

    Arguments:
        parameters: What to train.
        lr: η > 0; good values are five to ten times Adam's.

    Reference: Jordan et al., Muon, 2024; the factor: Liu et al., Muon is scalable for LLM
    training, 2025, eq. 4.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> optimizer = MuonWithAdam(layer.parameters(), lr=0.005)
        >>> layer(torch.ones(3)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        parameters = list(parameters)
        matrices = [p for p in parameters if p.ndim == 2]
        others = [p for p in parameters if p.ndim != 2]
        self.parts: list[Optimizer] = []
        if matrices:
            self.parts.append(
                Muon(
                    matrices,
                    lr,
                    weight_decay=WEIGHT_DECAY,
                    momentum=0.9,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            self.parts.append(Adam(others, lr, fused=True))
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step with each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "parts": self.parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        """Lets the parts work on the groups and the state that are scheduled and saved here."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state


OPTIMIZERS: dict[str, Callable[[Iterable[Tensor], float], Optimizer]] = {
    "adam": lambda parameters, lr: Adam(parameters, lr, fused=True),
    "radam": lambda parameters, lr: RAdam(parameters, lr, foreach=True),
    "muon": MuonWithAdam,
}
"""Name → optimiser, as a function of the parameters and the learning rate."""
