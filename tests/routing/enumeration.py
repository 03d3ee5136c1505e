"""Gradients of a gate by enumeration: of K = 5 experts, and of every draw of c."""

from collections.abc import Callable

import torch
from torch import Tensor

from discretevae.routing import SCHEMES, Experts, SparseMixer, Tokens

K, DIM, PROBLEMS = 5, 10, 200
Function = Callable[[Tensor], Tensor]


def linear(draw: Callable[..., Tensor]) -> Function:
    a = draw(DIM)
    return lambda y: y @ a


def quadratic(draw: Callable[..., Tensor]) -> Function:
    a, A = draw(DIM), draw(DIM, DIM)
    return lambda y: y @ a + ((y @ A) * y).sum(-1)


def cubic(draw: Callable[..., Tensor]) -> Function:
    f, b = quadratic(draw), draw(DIM)
    return lambda y: f(y) + (y @ b) ** 3


def smooth(draw: Callable[..., Tensor]) -> Function:
    a, W = draw(DIM), draw(DIM, DIM)
    return lambda y: (y @ W).tanh() @ a


FUNCTIONS = {"linear": linear, "quadratic": quadratic, "cubic": cubic, "smooth": smooth}


class Constants(Experts):
    """Experts that give a vector whatever the token."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(len(values), 1, values.shape[1])
        self.values = torch.nn.Parameter(values)

    def forward(self, rows: Tensor, experts: Tensor) -> Tensor:
        return self.values[experts]


def problem(function: str, seed: int) -> tuple[Tensor, Tensor, Function]:
    """Logits of a gate, outputs of the experts, and f of the one that is chosen."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return draw(K), draw(K, DIM), FUNCTIONS[function](draw)


def exact(logits: Tensor, E: Tensor, f: Function, held: bool) -> Tensor:
    """The gradient for the gate of E f(p_D E_D), or with p_D held inside f."""
    z = logits.clone().requires_grad_()
    p = z.softmax(-1)
    inner = p.detach() if held else p
    return torch.autograd.grad((p * f(inner[:, None] * E)).sum(), z)[0]


def gating_only(logits: Tensor, E: Tensor, f: Function) -> Tensor:
    """The mean gradient of f(p_D E_D) at a D that is held."""
    z = logits.clone().requires_grad_()
    p = z.softmax(-1)
    return torch.autograd.grad((p.detach() * f(p[:, None] * E)).sum(), z)[0]


class Forced(SparseMixer):
    """A SparseMixer whose draws are given: expert, and whether c = 1."""

    def choose(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.arange(K).repeat_interleave(2)[:, None]

    def drawn(self, gates: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.tensor([True, False] * K)[:, None]


def of_router(
    logits: Tensor, E: Tensor, f: Function, version: str, rule: bool
) -> dict[str, Tensor]:
    """The mean gradients of the router for the gate and for the experts, over all draws."""
    router = Forced(version, argmax_rule=rule, r=None)
    whole = SCHEMES[version].whole
    experts = Constants(E.clone())
    z = logits.repeat(2 * K, 1).requires_grad_()
    tokens = Tokens(torch.zeros(2 * K, 1, dtype=E.dtype), z, experts, gated=True)
    values, _ = router(tokens, 1)
    p = logits.softmax(-1)
    probability = (p[:, None] * torch.tensor([whole, 1 - whole], dtype=p.dtype)).flatten()
    gate, inside = torch.autograd.grad((probability * f(values)).sum(), [z, experts.values])
    return {"gate": gate.sum(0), "experts": inside}


def bias(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).norm() / truth.norm())
