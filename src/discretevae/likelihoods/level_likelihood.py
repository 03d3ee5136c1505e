"""What likelihoods of evenly spaced levels share, as the bytes of an image are."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.likelihoods.likelihood import Likelihood

__all__ = ["LevelLikelihood", "counts_of_levels"]

ROUNDING = 1e-4
"""How far from a level a value may be, in steps between two: what float32 makes of k / 255."""
NUMBERS = 2**22
"""Numbers that the decoder says of pairs of a code and an example that are looked at together."""


class LevelLikelihood(Likelihood):
    r"""A likelihood of :math:`x = k / (V - 1)`, k a whole number from 0 to V − 1.

    .. math:: \sum_{k=0}^{V-1} p(x = k / (V - 1) | h) = 1

    A probability, not a density: what −log₂ p is per dimension compares with the size of files and
    with published bits per dimension.

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        levels: V, 256 for bytes.

    Raises:
        ValueError: If `event_dims` is below 1, or `levels` below 2.
    """

    lossless = True

    def __init__(self, event_dims: int = 1, levels: int = 256) -> None:
        super().__init__(event_dims)
        if levels < 2:
            raise ValueError(f"`levels` must be at least 2, got {levels}.")
        self.levels = levels

    @property
    def symbols(self) -> int:
        return self.levels

    def evaluated(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.output_shape(shape)

    def parameters_of(
        self, h: Float[Tensor, "*B_and_h"], count: int
    ) -> Float[Tensor, "*B_and_split"]:
        """Splits the first axis of h: (*B, count·F, *rest) → (*B, count, F, *rest)."""
        return h.unflatten(h.ndim - self.event_dims, (count, -1))

    def log_prob_pairs(
        self, h: Float[Tensor, "S *h"], x: Float[Tensor, "*B_and_event"]
    ) -> Float[Tensor, "S *B"]:
        batch = x.shape[: x.ndim - self.event_dims]
        x = x.reshape(-1, *x.shape[x.ndim - self.event_dims :])
        at_once = max(1, NUMBERS // max(1, len(x) * h[0].numel()))
        pairs = [self(part.unsqueeze(1)).log_prob(x) for part in h.split(at_once)]
        return torch.cat(pairs).reshape(len(h), *batch)

    def config(self) -> str | dict[str, Any]:
        if self.levels == 256:
            return self.name
        return {"kind": self.name, "event_dims": self.event_dims, "levels": self.levels}

    def check(self, x: Tensor) -> None:
        k = x.double() * (self.levels - 1)
        known = ((k - k.round()).abs() <= ROUNDING) & (k.round() >= 0)
        known &= k.round() <= self.levels - 1
        if not bool(known.all()):
            raise ValueError(
                f"`x` must be one of {self.levels} levels, k / {self.levels - 1} with k from 0 to "
                f"{self.levels - 1}, for the {self.name} likelihood, "
                f"got {float(x[~known][0]):.6g}."
            )


def counts_of_levels(x: Float[Tensor, "N *event"], levels: int) -> Float[Tensor, "V *event"]:
    """Counts how often each dimension has each level.

    Example:
        >>> counts_of_levels(torch.tensor([[0.0, 0.5], [1.0, 0.5]]), levels=3)
        tensor([[1., 0.],
                [0., 2.],
                [1., 0.]])
    """
    k = (x * (levels - 1)).round().long()
    return x.new_zeros(levels, *x.shape[1:]).scatter_add_(0, k, torch.ones_like(x))
