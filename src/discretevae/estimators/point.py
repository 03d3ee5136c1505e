"""What the estimators share that only choose where f is evaluated."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import evaluate, require_samples
from discretevae.estimators.sampled import Sampled
from discretevae.latents import require_sizes

__all__ = ["Point", "point_of"]


@dataclass(frozen=True)
class Point(Sampled, ABC):
    r"""An estimator that is a point: where f is evaluated, and with what gradient.

    .. math:: \frac{1}{S} \sum_s f(z_s)

    All that it has to say is z, whose gradient for `logits` is the estimator's: an exact one-hot
    code, or, where it is `relaxed`, a point of the simplex. :meth:`draw` gives z by itself, for
    networks that want a code and no expectation; each method is also a plain function,
    `discretevae.estimators.functional`, and a layer,
    :class:`~discretevae.estimators.PointLayer`.

    Arguments:
        samples: S ≥ 1.

    Raises:
        ValueError: If `samples` is below 1.
    """

    unbiased: ClassVar[bool] = False
    needs_gradient_of_f: ClassVar[bool] = True

    @abstractmethod
    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        """Gives S points for each example, of logits that are float32 at least."""

    def draw(
        self,
        logits: Float[Tensor, "*B D K"],
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "S *B D K"]:
        """Draws S points for each example, with the estimator's gradient for `logits`.

        They have the type of `logits`; what lies between is in float32 at least, also under
        autocast: noise in half precision would favour some classes.

        Raises:
            ValueError: If there is no latent, K is below 2, or `samples` below 1.

        Example:
            >>> from discretevae.estimators import ReinMax
            >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
            >>> z = ReinMax().draw(logits, samples=3)
            >>> z.shape, z.requires_grad, z.unique().tolist()
            (torch.Size([3, 5, 4, 8]), True, [0.0, 1.0])
        """
        require_sizes(*logits.shape[-2:])
        require_samples(samples, 1)
        with torch.autocast(logits.device.type, enabled=False):
            wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
            return self.point(wide, samples, generator).to(logits.dtype)

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        return evaluate(f, self.draw(logits, self.samples, generator)).mean(0)


def point_of(
    estimator: Point, logits: Float[Tensor, "*B K"], generator: torch.Generator | None = None
) -> Float[Tensor, "*B K"]:
    """Draws one point for each row of logits, whatever the leading dimensions.

    Raises:
        ValueError: If K is below 2.

    Example:
        >>> from discretevae.estimators import ReinMax
        >>> point_of(ReinMax(), torch.zeros(8)).shape
        torch.Size([8])
    """
    latents = logits if logits.ndim > 2 else logits.unsqueeze(-2)
    return estimator.draw(latents, 1, generator).view(logits.shape)
