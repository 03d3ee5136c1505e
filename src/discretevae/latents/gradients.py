"""A value with the gradient of another."""

import torch
from torch import Tensor

__all__ = ["with_gradient_of"]


class _WithGradientOf(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, surrogate: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: object, *grad_outputs: Tensor) -> tuple[None, Tensor]:
        return None, grad_outputs[0]


def with_gradient_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """Returns `value` to the bit, with the gradient of `surrogate`.

    `value + surrogate - surrogate.detach()` is not exactly one-hot in float32.

    Example:
        >>> x = torch.tensor(2.0, requires_grad=True)
        >>> y = with_gradient_of(torch.tensor(1.0), x**2)
        >>> y.backward()
        >>> y.item(), x.grad.item()
        (1.0, 4.0)
    """
    return _WithGradientOf.apply(value, surrogate)
