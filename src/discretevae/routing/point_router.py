"""Routers that are a point: a one-hot choice with a gradient."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.estimators import Point
from discretevae.estimators.point import point_of
from discretevae.routing.router import Router
from discretevae.routing.tokens import Tokens

__all__ = ["PointRouter"]


class PointRouter(Router):
    r"""Draws a one-hot z with an estimator's gradient, and mixes by it what all experts give.

    .. math:: y = \sum_i z_i\, p_i E_i(x)

    or :math:`\sum_i z_i E_i(x)` where the mixture is not gated. All N experts are evaluated: the
    gradient for z is :math:`\langle g, p_i E_i \rangle` at each. That through p_i and E_i beside z
    is autograd's.

    Arguments:
        point: Of :data:`~discretevae.estimators.POINTS`.

    Raises:
        ValueError: If the point is relaxed: between the corners there is no expert.

    Example:
        >>> from discretevae.estimators import DARN
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(2, 6, 16, 3), PointRouter(DARN()))
        >>> mixture(torch.randn(5, 6)).values.shape
        torch.Size([5, 3])
    """

    def __init__(self, point: Point) -> None:
        super().__init__()
        if point.relaxed:
            raise ValueError(f"`point` must draw one-hot codes, got {type(point).__name__}.")
        self.point = point

    def evaluations(self, num_experts: int, top: int = 1) -> int:
        return num_experts

    def forward(
        self, tokens: Tokens, top: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        logits, values = tokens.logits, tokens.all()
        mixed, experts = [], []
        for _ in range(top):
            z = point_of(self.point, logits, generator)
            share = z * logits.softmax(-1) if tokens.gated else z
            mixed.append(torch.einsum("tn,tno->to", share.to(values.dtype), values))
            experts.append(z.argmax(-1, keepdim=True))
            logits = logits.scatter(-1, experts[-1], -torch.inf)
        return torch.stack(mixed).sum(0), torch.cat(experts, -1)

    def extra_repr(self) -> str:
        return repr(self.point)
