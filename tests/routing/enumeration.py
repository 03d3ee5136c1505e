"""Gradients of a gate by enumeration, of many problems at once.

A problem has logits of K experts, what each of them gives, and a function f of what the chosen one
gives. Every draw of the router is made once, the expert and whether c = 1, and weighed with its
probability.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from discretevae.routing import SCHEMES, Experts, SparseMixer, Tokens

K, DIM, PROBLEMS = 5, 10, 200
Function = Callable[[Tensor], Tensor]


def linear(draw: Callable[..., Tensor]) -> Function:
    a = draw(DIM)
    return lambda y: torch.einsum("prd,pd->pr", y, a)


def quadratic(draw: Callable[..., Tensor]) -> Function:
    f, A = linear(draw), draw(DIM, DIM)
    return lambda y: f(y) + torch.einsum("prd,pde,pre->pr", y, A, y)


def cubic(draw: Callable[..., Tensor]) -> Function:
    f, b = quadratic(draw), draw(DIM)
    return lambda y: f(y) + torch.einsum("prd,pd->pr", y, b) ** 3


def smooth(draw: Callable[..., Tensor]) -> Function:
    f, W = linear(draw), draw(DIM, DIM)
    return lambda y: f((y @ W).tanh())


FUNCTIONS = {"linear": linear, "quadratic": quadratic, "cubic": cubic, "smooth": smooth}


class Problems:
    """Logits (P, K), what experts give (P, K, d) and f: (P, R, d) → (P, R)."""

    def __init__(self, function: str, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(PROBLEMS, *shape, generator=generator, dtype=torch.float64)

        self.logits, self.outputs, self.f = draw(K), draw(K, DIM), FUNCTIONS[function](draw)

    def exact(self, held: bool = False) -> Tensor:
        """The gradient for the gate of E f(p_D E_D), or with p_D held inside f."""
        z = self.logits.clone().requires_grad_()
        p = z.softmax(-1)
        inner = p.detach() if held else p
        value = p * self.f(inner[..., None] * self.outputs)
        return torch.autograd.grad(value.sum(), z)[0]

    def gating_only(self) -> Tensor:
        """The mean gradient of f(p_D E_D) at a D that is held."""
        z = self.logits.clone().requires_grad_()
        p = z.softmax(-1)
        value = p.detach() * self.f(p[..., None] * self.outputs)
        return torch.autograd.grad(value.sum(), z)[0]

    def of_router(self, version: str, argmax_rule: bool) -> tuple[Tensor, Tensor]:
        """The router's mean gradients over all draws, for the logits and for the experts."""
        rows = 2 * K
        experts = Constants(self.outputs)
        z = self.logits.repeat_interleave(rows, 0).requires_grad_()
        x = torch.arange(PROBLEMS).repeat_interleave(rows)[:, None].double()
        router = Forced(version, argmax_rule, r=None)
        values, _ = router(Tokens(x, z, experts, gated=True), 1)
        whole = SCHEMES[version].whole
        probability = self.logits.softmax(-1)[..., None] * torch.tensor([whole, 1 - whole])
        value = probability.flatten(1) * self.f(values.view(PROBLEMS, rows, DIM))
        gate, inside = torch.autograd.grad(value.sum(), [z, experts.outputs])
        return gate.view(PROBLEMS, rows, K).sum(1), inside


class Constants(Experts):
    """Experts that give what they give in the problem whose number the token is."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__(K, 1, DIM)
        self.outputs = torch.nn.Parameter(outputs)

    def forward(self, rows: Tensor, experts: Tensor) -> Tensor:
        return self.outputs[rows[:, 0].long(), experts]


class Forced(SparseMixer):
    """A SparseMixer that draws everything once."""

    def choose(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.arange(K).repeat_interleave(2).repeat(len(z) // (2 * K))[:, None]

    def drawn(self, gates: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.tensor([True, False]).repeat(len(gates) // 2)[:, None]


def bias(found: Tensor, truth: Tensor) -> Tensor:
    """The relative bias of each problem."""
    return (found - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)
