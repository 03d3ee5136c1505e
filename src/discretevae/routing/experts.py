"""Experts: functions of which each token has one, evaluated for all tokens at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.names import require_count
from discretevae.routing.products import grouped_linear

__all__ = ["Experts", "MLPExperts"]


class Experts(nn.Module, ABC):
    """N functions from vectors of `dim` numbers to vectors of `dim_out`.

    A mixture calls them with rows that are sorted by expert, so that a subclass can treat each
    expert's as one block: :func:`~discretevae.routing.grouped_linear` is what a layer an expert
    needs.

    Arguments:
        num_experts: N ≥ 2.
        dim: d ≥ 1.
        dim_out: d_out ≥ 1.

    Raises:
        ValueError: If a number is too small.

    Example:
        >>> class LinearExperts(Experts):
        ...     def __init__(self, num_experts: int, dim: int, dim_out: int) -> None:
        ...         super().__init__(num_experts, dim, dim_out)
        ...         self.weight = nn.Parameter(torch.randn(num_experts, dim, dim_out))
        ...         self.bias = nn.Parameter(torch.zeros(num_experts, dim_out))
        ...     def forward(self, rows: Tensor, experts: Tensor) -> Tensor:
        ...         return grouped_linear(rows, self.weight, self.bias, experts)
        >>> LinearExperts(4, 2, 3)(torch.randn(5, 2), torch.tensor([0, 0, 1, 3, 3])).shape
        torch.Size([5, 3])
    """

    def __init__(self, num_experts: int, dim: int, dim_out: int) -> None:
        super().__init__()
        require_count("num_experts", num_experts, 2)
        require_count("dim", dim)
        require_count("dim_out", dim_out)
        self.num_experts, self.dim, self.dim_out = num_experts, dim, dim_out

    @abstractmethod
    def forward(
        self, rows: Float[Tensor, "R d"], experts: Int[Tensor, " R"]
    ) -> Float[Tensor, "R d_out"]:
        """Gives each row what its expert makes of it; `experts` ascend."""

    def all(self, x: Float[Tensor, "T d"]) -> Float[Tensor, "T N d_out"]:
        """Gives what every expert makes of every token."""
        numbers = torch.arange(self.num_experts, device=x.device).repeat_interleave(len(x))
        values = self(x.repeat(self.num_experts, 1), numbers)
        return values.view(self.num_experts, len(x), -1).movedim(0, 1)


class MLPExperts(Experts):
    r"""Perceptrons with one hidden layer, all in one tensor a layer.

    .. math:: E_i(x) = \phi(x W_i + b_i) V_i + c_i

    Arguments:
        num_experts: N ≥ 2.
        dim: d ≥ 1.
        hidden: h ≥ 1.
        dim_out: d_out ≥ 1.
        activation: φ.

    Raises:
        ValueError: If a number is too small.

    Example:
        >>> experts = MLPExperts(num_experts=8, dim=196, hidden=32, dim_out=10)
        >>> experts.weight_in.shape, experts.weight_out.shape
        (torch.Size([8, 196, 32]), torch.Size([8, 32, 10]))
        >>> experts.all(torch.randn(5, 196)).shape
        torch.Size([5, 8, 10])
    """

    def __init__(
        self,
        num_experts: int,
        dim: int,
        hidden: int,
        dim_out: int,
        activation: Callable[[Tensor], Tensor] = torch.relu,
    ) -> None:
        super().__init__(num_experts, dim, dim_out)
        require_count("hidden", hidden)
        self.hidden, self.activation = hidden, activation
        self.weight_in = nn.Parameter(torch.empty(num_experts, dim, hidden))
        self.bias_in = nn.Parameter(torch.empty(num_experts, hidden))
        self.weight_out = nn.Parameter(torch.empty(num_experts, hidden, dim_out))
        self.bias_out = nn.Parameter(torch.empty(num_experts, dim_out))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters of each expert as `nn.Linear` draws its own."""
        for layer in (self.weight_in, self.bias_in):
            nn.init.uniform_(layer, -(self.dim**-0.5), self.dim**-0.5)
        for layer in (self.weight_out, self.bias_out):
            nn.init.uniform_(layer, -(self.hidden**-0.5), self.hidden**-0.5)

    def forward(
        self, rows: Float[Tensor, "R d"], experts: Int[Tensor, " R"]
    ) -> Float[Tensor, "R d_out"]:
        h = self.activation(grouped_linear(rows, self.weight_in, self.bias_in, experts))
        return grouped_linear(h, self.weight_out, self.bias_out, experts)

    def all(self, x: Float[Tensor, "T d"]) -> Float[Tensor, "T N d_out"]:
        h = self.activation(x @ self.weight_in + self.bias_in.unsqueeze(1))
        return (h @ self.weight_out + self.bias_out.unsqueeze(1)).movedim(0, 1)

    def extra_repr(self) -> str:
        return f"{self.num_experts} experts, {self.dim} → {self.hidden} → {self.dim_out}"
