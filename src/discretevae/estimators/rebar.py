"""REBAR: REINFORCE with a relaxation of f as its control variate."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.conditional_gumbel import conditional_gumbel
from discretevae.estimators.estimator import evaluate, inject, require_positive
from discretevae.estimators.learned import LearnedEstimator
from discretevae.latents import categorical
from discretevae.latents.categorical import gumbel, one_hot_argmax

__all__ = ["REBAR"]


class REBAR(LearnedEstimator):
    r"""Takes away a relaxed f that knows z and adds the gradient of its mean: unbiased.

    .. math:: g = (f(z) - c(\tilde x)) \nabla \log q(z) + \nabla_l c(x) - \nabla_l c(\tilde x),
        \qquad c(x) = \eta f(\mathrm{softmax}(x / \tau))

    with x = log p + G, G standard Gumbel noise, z = argmax x, and :math:`\tilde x` drawn anew from
    the law of x given z; both are differentiated in the logits. Value and gradient inside f come
    from f(z) alone. Unbiased for any η and τ, which descend on the estimate's own variance,
    :math:`\mathbb{E} \lVert g \rVert^2`. `relaxed`: f must accept points inside the simplex, and
    be twice differentiable there for η and τ to be learned, at the cost of a second backward pass.

    Arguments:
        temperature: τ > 0 at the start.
        scale: η at the start.
        learning_rate: Of η and log τ.

    Raises:
        ValueError: If `temperature` or `learning_rate` is not positive, if f has no gradient in
            `z`, or if the codes have other sizes than before.

    Reference: Tucker, Mnih, Maddison, Lawson & Sohl-Dickstein, REBAR: low-variance, unbiased
    gradient estimates for discrete latent variable models, 2017.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> REBAR()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    unbiased: ClassVar[bool] = True
    relaxed: ClassVar[bool] = True
    needs_gradient_of_f: ClassVar[bool] = True

    def __init__(
        self, temperature: float = 0.5, scale: float = 1.0, learning_rate: float = 1e-3
    ) -> None:
        super().__init__(learning_rate)
        require_positive(temperature)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log(), requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=False)

    def build(self, num_latents: int, num_categories: int) -> None:
        """η and τ are the same for all sizes."""

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        self.prepare_for(logits)
        learns, leaf = self.learns, logits.detach().requires_grad_()
        with self.recording():
            with torch.enable_grad():
                log_p = categorical.log_probabilities(leaf)
                x = log_p + gumbel(leaf.shape, leaf, generator)
                z = one_hot_argmax(x.detach())
                x_and_tilde = torch.stack([x, conditional_gumbel(log_p, z, generator)])
                y = (x_and_tilde / self.log_temperature.exp()).softmax(-1)
                c, c_tilde = self.scale * evaluate(f, y) + self.free_form(x_and_tilde)
                slope = _gradient(c - c_tilde, leaf, y, learns)
            value = evaluate(f, z[None])[0]
            residual = (value.detach() - c_tilde)[..., None, None]
            g = residual * (z - log_p.detach().exp()) + slope
            self.descend(g.square().sum((-2, -1)).mean())
        return value + inject(logits, g)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return 3

    def free_form(self, x: Float[Tensor, "2 *B D K"]) -> Float[Tensor, "2 *B"]:
        """Gives what c(x) holds besides the relaxation: nothing."""
        return x.new_zeros(x.shape[:-2])


def _gradient(
    c: Float[Tensor, "*B"],
    leaf: Float[Tensor, "*B D K"],
    y: Float[Tensor, "2 *B D K"],
    create_graph: bool,
) -> Float[Tensor, "*B D K"]:
    """Gives the gradient in `leaf`, and refuses a c that does not depend on `y`."""
    gradient = in_y = None
    if c.requires_grad:
        gradient, in_y = torch.autograd.grad(
            c.sum(), (leaf, y), create_graph=create_graph, allow_unused=True
        )
    if gradient is None or in_y is None:
        raise ValueError("`f` must be differentiable in `z`, got a value without a gradient.")
    return gradient
