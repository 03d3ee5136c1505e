"""A layer that turns logits into codes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.estimator import Estimator
from discretevae.estimators.point import Point, point_of
from discretevae.estimators.table import POINTS
from discretevae.names import resolve

__all__ = ["PointLayer"]


class PointLayer(nn.Module):
    """Draws a code for each row of logits, with the gradient of an estimator.

    What :mod:`discretevae.estimators.functional` has as functions, as a module without parameters:
    (*B, K) → (*B, K), exact one-hot codes unless the estimator is `relaxed`, in training and in
    evaluation alike.

    Arguments:
        estimator: A name in `POINTS`, or an estimator of that kind; its `samples` play no part.

    Raises:
        ValueError: If the name is unknown, or the estimator no
            :class:`~discretevae.estimators.Point`; when called, if K is below 2.

    Example:
        >>> codes = nn.Sequential(nn.Linear(6, 12), nn.Unflatten(-1, (3, 4)), PointLayer("reinmax"))
        >>> codes(torch.randn(5, 6)).sum(-1)
        tensor([[1., 1., 1.],
                [1., 1., 1.],
                [1., 1., 1.],
                [1., 1., 1.],
                [1., 1., 1.]], grad_fn=<SumBackward1>)
    """

    def __init__(self, estimator: str | Estimator = "reinmax") -> None:
        super().__init__()
        if isinstance(estimator, str):
            estimator = resolve("estimator", estimator, POINTS)()
        if not isinstance(estimator, Point):
            raise ValueError(
                f"`estimator` must choose a point, as {', '.join(POINTS)} do, "
                f"got {type(estimator).__name__}."
            )
        self.estimator = estimator

    def forward(
        self, logits: Float[Tensor, "*B K"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*B K"]:
        return point_of(self.estimator, logits, generator)

    def extra_repr(self) -> str:
        return repr(self.estimator)
