"""Gumbel-perturbed log-probabilities given their argmax, and a gradient averaged over them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents.categorical import gumbel
from discretevae.latents.draws import successor
from discretevae.names import require_count

__all__ = ["conditional_gumbel", "require_perturbations", "with_averaged_gradient"]


def conditional_gumbel(
    log_p: Float[Tensor, "*B K"],
    z: Float[Tensor, "*B K"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    r"""Draws :math:`\log p + G`, G standard Gumbel noise, given that its argmax is `z`.

    .. math:: a_z = -\log E_z, \qquad a_i = -\log(E_i / p_i + E_z), \quad E \sim \mathrm{Exp}(1)

    Computed as :math:`a_i = -\log(e^{-G_i - \log p_i} + e^{-G_z})` with G = −log E, which holds
    for any p > 0 that the logarithm can express. Differentiable in `log_p`.

    Arguments:
        log_p: Normalised log-probabilities.
        z: One-hot codes, the argmax that is given.
        generator: The source of the noise.

    Reference: Paulus, Maddison & Krause, Rao-Blackwellizing the straight-through Gumbel-Softmax
    gradient estimator, 2021.

    Example:
        >>> z = torch.tensor([0.0, 1.0, 0.0])
        >>> conditional_gumbel(torch.zeros(5, 3).log_softmax(-1), z.expand(5, 3)).argmax(-1)
        tensor([1, 1, 1, 1, 1])
    """
    noise = gumbel(z.shape, z, generator)
    largest = (noise * z).sum(-1, keepdim=True)
    return torch.where(z == 1, largest, -torch.logaddexp(-noise - log_p, -largest))


def with_averaged_gradient(
    z: Float[Tensor, "*B K"],
    logits: Float[Tensor, "*B K"],
    log_p: Float[Tensor, "*B K"],
    temperature: float,
    perturbations: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    r"""Returns `z` to the bit; its gradient for `logits` averages softmax Jacobians given `z`.

    .. math:: \frac{1}{M} \sum_m \tfrac1\tau J(y^m) v, \qquad y^m = \mathrm{softmax}(a^m / \tau),
        \quad a^m \sim \log p + G \text{ given that its argmax is } z

    with J(y)v = y ⊙ (v − y·v). The M perturbations are drawn during the backward pass, one after
    the other, from one seed taken of `generator`: memory does not grow with M.

    Arguments:
        z: One-hot codes.
        logits: What receives the gradient.
        log_p: Normalised log-probabilities of the perturbations.
        temperature: τ > 0.
        perturbations: M ≥ 1.
        generator: The source of the seed.

    Example:
        >>> logits = torch.zeros(3, requires_grad=True)
        >>> z = torch.tensor([0.0, 1.0, 0.0])
        >>> y = with_averaged_gradient(z, logits, logits.log_softmax(-1), 1.0, 10)
        >>> y[0].backward()
        >>> y.tolist(), logits.grad.sign().tolist()
        ([0.0, 1.0, 0.0], [1.0, -1.0, -1.0])
    """
    device = "cpu" if generator is None else generator.device
    seed = int(torch.randint(2**63 - 1, (), generator=generator, device=device))
    noise = partial(successor, generator, seed)
    return _WithAveragedGradient.apply(z, logits, log_p.detach(), temperature, perturbations, noise)


class _WithAveragedGradient(torch.autograd.Function):
    """Autograd over a sum of M softmaxes would keep all of them until the backward pass."""

    @staticmethod
    def forward(
        z: Tensor,
        logits: Tensor,
        log_p: Tensor,
        temperature: float,
        perturbations: int,
        noise: Callable[[torch.device], torch.Generator],
    ) -> Tensor:
        return z.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        z, _, log_p, *ctx.how = inputs
        ctx.save_for_backward(z, log_p)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (v,), (z, log_p) = grad_outputs, ctx.saved_tensors
        temperature, perturbations, noise = ctx.how
        generator = noise(v.device)
        gradient = torch.zeros_like(v)
        for _ in range(perturbations):
            y = (conditional_gumbel(log_p, z, generator) / temperature).softmax(-1)
            gradient = gradient + y * (v - (y * v).sum(-1, keepdim=True))
        return None, gradient / (perturbations * temperature), None, None, None, None


def require_perturbations(perturbations: int) -> None:
    """Refuses to average over nothing."""
    require_count("perturbations", perturbations)
