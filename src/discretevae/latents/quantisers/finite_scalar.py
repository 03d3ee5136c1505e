"""Finite scalar quantisation: each number rounded to one of a few levels."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.entropy import SHARE, SHARPNESS, entropy_cost
from discretevae.latents.quantisers.quantiser import (
    Quantisation,
    Quantiser,
    require_codes,
    widened,
)

__all__ = ["FiniteScalarQuantiser"]

MARGIN = 1e-3
"""By which the bound lies beyond the outermost levels, so that they are reached."""


class FiniteScalarQuantiser(Quantiser):
    r"""Bounds each of E numbers and rounds it to one of L levels; there is no codebook.

    .. math:: \hat z_i = h_i \tanh(z_i + s_i) - o_i, \qquad
        v_i = \frac{\mathrm{round}(\hat z_i)}{\lfloor L_i / 2 \rfloor}, \qquad
        h = \frac{(L - 1)(1 + 10^{-3})}{2}, \quad
        o = \tfrac12 [L \text{ even}], \quad s = \mathrm{artanh}(o / h)

    Two levels are ±1, the sign of :math:`\tanh z`: the form above would have −1 and 0, and the
    shift close to where tanh is flat. The code is :math:`\sum_i c_i \prod_{j < i} L_j` with
    :math:`c_i` in [0, L_i), the first number turning fastest. The gradient is that of
    :math:`\hat z`, **biased**: rounding has none. There is no cost, as published; or w times that
    of the entropy of soft digits, :func:`~discretevae.latents.quantisers.entropy.entropy_cost`,

    .. math:: q_i(c | z) \propto \exp(-10 \, (\hat z_i - \hat c)^2),

    without which codes of corners where no vectors are stay idle.

    Arguments:
        levels: L of each number, all ≥ 2; [8, 5, 5, 5] has K = 1,000.
        entropy_weight: w ≥ 0.

    Raises:
        ValueError: If there is no level, one is below 2, their product is 2^63 or more, the weight
            is negative, or a code to look up lies outside [0, K).

    Reference: Mentzer, Minnen, Agustsson & Tschannen, Finite scalar quantization: VQ-VAE made
    simple, 2023, §3.1 and appendix A.

    Example:
        >>> quantiser = FiniteScalarQuantiser([8, 5, 5, 5])
        >>> values, codes, _ = quantiser(torch.randn(7, 4))
        >>> bool((quantiser.lookup(codes) == values).all()), quantiser.num_codes
        (True, 1000)
    """

    kind: ClassVar[str] = "fsq"
    whitened: ClassVar[bool] = True

    def __init__(self, levels: Sequence[int], entropy_weight: float = 0.0) -> None:
        super().__init__()
        if not entropy_weight >= 0:
            raise ValueError(f"`entropy_weight` must be at least 0, got {entropy_weight}.")
        self.entropy_weight = entropy_weight
        self.levels = [int(level) for level in levels]
        if not self.levels or min(self.levels) < 2:
            raise ValueError(f"`levels` must be at least one number, each ≥ 2, got {self.levels}.")
        self.dim, self.num_codes = len(self.levels), math.prod(self.levels)
        if self.num_codes >= 2**63:
            raise ValueError(f"`levels` must have a product below 2^63, got {self.num_codes}.")
        self.places = [math.prod(self.levels[:i]) for i in range(self.dim)]
        bounds = [_bound(level) for level in self.levels]
        self.reach, self.offset, self.shift, self.middle, self.scale = map(
            list, zip(*bounds, strict=True)
        )

    def _row(self, numbers: Sequence[float], like: Tensor) -> Tensor:
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)

    def _bounded(self, z: Float[Tensor, "*B E"]) -> Float[Tensor, "*B E"]:
        reach, offset, shift = (
            self._row(numbers, z) for numbers in (self.reach, self.offset, self.shift)
        )
        return (z + shift).tanh() * reach - offset

    def _digits(self, bounded: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B E"]:
        return (bounded + self._row(self.middle, bounded)).round().long()

    def _codes(self, digits: Int64[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        return (digits * self._row(self.places, digits)).sum(-1)

    def _values(self, digits: Int64[Tensor, "*B E"], like: Tensor) -> Float[Tensor, "*B E"]:
        return (digits - self._row(self.middle, like)) / self._row(self.scale, like)

    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        return self._codes(self._digits(self._bounded(widened(z))))

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        codes = codes.long()
        digits = codes[..., None] // self._row(self.places, codes) % self._row(self.levels, codes)
        return self._values(digits, torch.empty((), device=codes.device))

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        bounded = self._bounded(widened(z))
        digits = self._digits(bounded)
        scale = self._row(self.scale, bounded)
        values = with_gradient_of(self._values(digits, bounded), bounded / scale)
        return Quantisation(values, self._codes(digits), self._cost(bounded))

    def weigh(self, nats: float) -> None:
        self.entropy_weight = SHARE * nats

    def _cost(self, bounded: Float[Tensor, "*B E"]) -> Float[Tensor, "*B"]:
        if not self.entropy_weight:
            return bounded.new_zeros(bounded.shape[:-1])
        from_first = bounded + self._row(self.middle, bounded)
        soft = []
        for digit, level in zip(from_first.unbind(-1), self.levels, strict=True):
            steps = digit[..., None] - torch.arange(level, device=digit.device)
            soft.append(-SHARPNESS * steps.square())
        return self.entropy_weight * entropy_cost(soft)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "levels": self.levels,
            "entropy_weight": self.entropy_weight,
        }


def _bound(level: int) -> tuple[float, float, float, float, float]:
    """Gives h, o, s, what is added for a digit from 0, and what a level is divided by."""
    if level == 2:
        return 0.5, 0.0, 0.0, 0.5, 0.5
    half = (level - 1) * (1 + MARGIN) / 2
    offset = 0.5 if level % 2 == 0 else 0.0
    return half, offset, math.atanh(offset / half), level // 2, level // 2
