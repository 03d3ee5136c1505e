"""Batched experts beside a loop over tokens, and experts of one's own."""

import pytest
import torch
from torch import Tensor, nn

from discretevae.routing import (
    Experts,
    MixtureOfExperts,
    MLPExperts,
    Tokens,
    grouped_linear,
)


class Linear(Experts):
    def __init__(self, num_experts: int = 4, dim: int = 3, dim_out: int = 2) -> None:
        super().__init__(num_experts, dim, dim_out)
        self.weight = nn.Parameter(torch.randn(num_experts, dim, dim_out))
        self.bias = nn.Parameter(torch.randn(num_experts, dim_out))

    def forward(self, rows: Tensor, experts: Tensor) -> Tensor:
        return grouped_linear(rows, self.weight, self.bias, experts)


def one(experts: MLPExperts, i: int, x: Tensor) -> Tensor:
    """A single expert at a single token."""
    h = torch.relu(x @ experts.weight_in[i] + experts.bias_in[i])
    return h @ experts.weight_out[i] + experts.bias_out[i]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("top", [1, 2])
def test_tokens_are_a_loop(dtype: torch.dtype, top: int) -> None:
    """Values, and gradients for the tokens and every parameter; no token is dropped."""
    torch.manual_seed(0)
    experts = MLPExperts(5, 7, 6, 3).to(dtype)
    x = torch.randn(60, 7, dtype=dtype, requires_grad=True)
    chosen = torch.stack([torch.randperm(5)[:top] for _ in range(60)])
    chosen[chosen == 3] = 0  # one expert gets nothing
    found = Tokens(x, torch.zeros(60, 5), experts, gated=True).at(chosen)
    rows = [torch.stack([one(experts, int(i), x[t]) for i in chosen[t]]) for t in range(60)]
    truth = torch.stack(rows)
    torch.testing.assert_close(found, truth)
    leaves = [x, *experts.parameters()]
    weights = torch.randn(found.shape, dtype=dtype)
    grads, others = (torch.autograd.grad((y * weights).sum(), leaves) for y in (found, truth))
    for grad, other in zip(grads, others, strict=True):
        torch.testing.assert_close(grad, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("experts", [MLPExperts(4, 3, 5, 2), Linear()])
def test_all_are_each(experts: Experts) -> None:
    x = torch.randn(20, 3)
    tokens = Tokens(x, torch.zeros(20, 4), experts, gated=False)
    everyone = torch.arange(4).expand(20, 4)
    torch.testing.assert_close(experts.all(x), tokens.at(everyone))


def test_experts_of_ones_own_are_trained() -> None:
    torch.manual_seed(0)
    mixture = MixtureOfExperts(Linear(), "switch")
    mixture(torch.randn(50, 3)).values.square().sum().backward()
    assert all(p.grad is not None for p in mixture.parameters())


def test_parameters_start_as_those_of_linear_layers() -> None:
    """Uniform within 1/√fan-in: standard deviations to 2 %, of 10^4 numbers and more."""
    torch.manual_seed(0)
    experts = MLPExperts(8, 100, 50, 40)
    for parameter, fan_in in ((experts.weight_in, 100), (experts.weight_out, 50)):
        assert parameter.abs().max() <= fan_in**-0.5
        assert abs(parameter.std() * (3 * fan_in) ** 0.5 - 1) < 0.02


@pytest.mark.parametrize("sizes", [(1, 3, 5, 2), (4, 0, 5, 2), (4, 3, 0, 2), (4, 3, 5, 0)])
def test_sizes_out_of_range(sizes: tuple[int, ...]) -> None:
    names = ("num_experts", "dim", "hidden", "dim_out")
    least = (2, 1, 1, 1)
    wrong = next(i for i, size in enumerate(sizes) if size < least[i])
    with pytest.raises(ValueError, match=f"`{names[wrong]}` must be at least {least[wrong]}"):
        MLPExperts(*sizes)
