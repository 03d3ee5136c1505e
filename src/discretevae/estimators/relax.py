"""RELAX: REBAR with a free-form term in its control variate."""

from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.learned import bounded
from discretevae.estimators.rebar import REBAR

__all__ = ["RELAX"]


class RELAX(REBAR):
    r"""Adds to REBAR's control variate what a small network learns: unbiased.

    .. math:: c(x) = \eta f(\mathrm{softmax}(x / \tau)) + r_\phi(x)

    in the formula of `REBAR`, whose mean does not depend on c. The network, one hidden layer of
    tanh, descends with η and τ on the estimate's variance; it starts at zero, as REBAR. It sees x
    within [−10, 10]. `relaxed`, like REBAR: f must accept points inside the simplex.

    Arguments:
        temperature: τ > 0 at the start.
        scale: η at the start.
        hidden: Units of the hidden layer, at least 1.
        learning_rate: Of η, log τ and φ.

    Raises:
        ValueError: If `temperature` or `learning_rate` is not positive, `hidden` is below 1, f
            has no gradient in `z`, or the codes have other sizes than before.

    Reference: Grathwohl, Choi, Wu, Roeder & Duvenaud, Backpropagation through the void: optimizing
    control variates for black-box gradient estimation, 2018.

    Example:
        >>> import torch
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> RELAX()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def __init__(
        self,
        temperature: float = 0.5,
        scale: float = 1.0,
        hidden: int = 100,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(temperature, scale, learning_rate)
        if hidden < 1:
            raise ValueError(f"`hidden` must be at least 1, got {hidden}.")
        self.hidden = hidden

    def build(self, num_latents: int, num_categories: int) -> None:
        first = nn.Linear(num_latents * num_categories, self.hidden)
        last = nn.Linear(self.hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(first, nn.Tanh(), last)

    def free_form(self, x: Float[Tensor, "2 *B D K"]) -> Float[Tensor, "2 *B"]:
        seen = bounded(x.flatten(-2)).to(self.scale.dtype)
        return self.network(seen).squeeze(-1).to(x.dtype)
