"""The distribution of each number of a row given h: Gaussian, or logistic between quantiles."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid, pad
from torch.special import ndtr, ndtri

from discretevae.schema.columns import Cells
from discretevae.schema.quantiles import Places

__all__ = ["Numbers"]

LOG_NORMALISER = 0.5 * math.log(2 * math.pi)
CELLS = 2**17
"""Cells whose bins are summed over together."""


class Numbers:
    r"""The N numbers of a row, each by itself, in units of their columns' scales.

    .. math:: F(x) = \Phi\Big(\frac{x - m}{s}\Big), \qquad\text{or}\quad
        F(e) = \sigma\Big(\frac{u_e - m}{s}\Big)

    at every edge e of a column with quantiles, between which numbers are as dense everywhere.
    Their normal scores are :math:`\Phi^{-1}(F(x))`.

    Arguments:
        cells: Reads rows.
        location: m, standardised or as log-odds.
        log_scale: log s.

    Reference: McCullagh, Regression models for ordinal data, 1980, sections 2.1 and 6.1.
    """

    def __init__(
        self, cells: Cells, location: Float[Tensor, "*SB N"], log_scale: Float[Tensor, "*SB N"]
    ) -> None:
        self.cells, self.location, self.log_scale = cells, location, log_scale
        self.quantiles = cells.quantiles

    def log_prob(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*SB N"]:
        """Gives the log-density of every number, of a missing one anything finite."""
        m, log_s = self.location, self.log_scale
        gaussian = _log_gaussian(self.cells.numbers(x), m, log_s)
        if not self.quantiles.any:
            return gaussian
        at = self._places(x)
        return self._by_kind(_log_mass(at, m, log_s) + at.log_density, gaussian)

    def log_prob_pairs(self, x: Float[Tensor, "B F"]) -> Float[Tensor, "S B"]:
        """Gives the log-density of the numbers of every row given every one of S codes.

        One column after another: all at once would take N times the memory, and the expanded
        square, a matrix product, cancels badly for a small scale.
        """
        u, at, observed = self.cells.numbers(x), self._places(x), self.cells.observed(x)
        total = self.location.new_zeros(len(self.location), len(x))
        for f, known in enumerate(self.quantiles.known.tolist()):
            m, log_s = self.location[:, f, None], self.log_scale[:, f, None]
            if known:
                place = Places(*(part[:, f] for part in at))
                density = _log_mass(place, m, log_s) + place.log_density
            else:
                density = _log_gaussian(u[:, f], m, log_s)
            total = total + density * observed[:, f]
        return total

    def normal(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*SB N"]:
        """Gives the normal scores of numbers, of a missing one anything finite."""
        m, rate = self.location, (-self.log_scale).exp()
        gaussian = (self.cells.numbers(x) - m) * rate
        if not self.quantiles.any:
            return gaussian
        at = self._places(x)
        mass = _log_mass(at, m, self.log_scale).exp()
        low = ((at.lower - m) * rate).sigmoid().where(~at.first, 0) + at.position * mass
        high = ((m - at.upper) * rate).sigmoid().where(~at.last, 0) + at.rest * mass
        tail = torch.minimum(low, high).clamp_min(torch.finfo(low.dtype).tiny)
        return self._by_kind(torch.where(low < high, 1, -1) * ndtri(tail), gaussian)

    def number(self, e: Float[Tensor, "*SB N"]) -> Float[Tensor, "*SB N"]:
        """Gives numbers in natural units by their normal scores."""
        m, s = self.location, self.log_scale.exp()
        gaussian = (m + s * e) * self.cells.scale + self.cells.mean
        if not self.quantiles.any:
            return gaussian
        below = ((self.quantiles.scores - m[..., None]) / s[..., None]).sigmoid()
        bins = (e[..., None] > ndtri(below)).sum(-1).minimum(self.quantiles.size)
        ends = pad(pad(below, (1, 0)), (0, 1), value=1.0).expand(*bins.shape, -1)
        low, high = (ends.gather(-1, (bins + i)[..., None])[..., 0] for i in (0, 1))
        tiny = torch.finfo(e.dtype).tiny
        position = ((ndtr(e) - low) / (high - low).clamp_min(tiny)).clamp(0, 1)
        found = self.quantiles.number(bins, position, self.cells.scale)
        return self._by_kind(found, gaussian)

    def mean(self) -> Float[Tensor, "*SB N"]:
        """Gives the means of standardised numbers."""
        zero = torch.zeros_like(self.location)
        return self.expected(zero, zero + 1, torch.ones_like(zero, dtype=torch.bool))

    def expected(
        self,
        location: Float[Tensor, "*SB N"],
        variance: Float[Tensor, "*SB N"],
        needed: Bool[Tensor, "*SB N"],
    ) -> Float[Tensor, "*SB N"]:
        """Gives the means of standardised numbers whose normal scores are Gaussian.

        Arguments:
            location: Of the normal scores.
            variance: Theirs.
            needed: Which are wanted; the others are 0.
        """
        m, log_s = (value.expand(needed.shape) for value in (self.location, self.log_scale))
        found = (m + log_s.exp() * location).where(needed, 0)
        wanted = needed & self.quantiles.known
        columns = wanted.nonzero()[:, -1].split(CELLS)
        parts = (part[wanted].split(CELLS) for part in (m, log_s, location, variance))
        means = [self._mean_of_bins(*part) for part in zip(columns, *parts, strict=True)]
        found[wanted] = torch.cat(means)
        return found

    def _mean_of_bins(
        self, column: Tensor, m: Tensor, log_s: Tensor, location: Tensor, variance: Tensor
    ) -> Float[Tensor, " n"]:
        """Sums over the bins of cells: what stands for each times how probable it is."""
        t = (self.quantiles.scores[column] - m[:, None]) * (-log_s).exp()[:, None]
        e = (ndtri(t.sigmoid()) - location[:, None]) / variance.sqrt()[:, None]
        below = pad(pad(ndtr(e), (1, 0)), (0, 1), value=1.0)
        natural = (below.diff(dim=-1) * self.quantiles.centres[column]).sum(-1)
        return (natural - self.cells.mean[column]) / self.cells.scale[column]

    def _places(self, x: Float[Tensor, "*B F"]) -> Places:
        return self.quantiles.places(self.cells.natural(x), self.cells.scale)

    def _by_kind(self, with_quantiles: Tensor, without: Tensor) -> Tensor:
        return with_quantiles.where(self.quantiles.known, without)


def _log_gaussian(u: Tensor, m: Tensor, log_s: Tensor) -> Tensor:
    return -0.5 * ((u - m) * (-log_s).exp()).square() - log_s - LOG_NORMALISER


def _log_mass(at: Places, m: Tensor, log_s: Tensor) -> Tensor:
    """log(σ(b) − σ(a)) = log σ(b) + log σ(−a) + log(1 − e^(a − b)); σ is 0 or 1 at the ends."""
    rate, ends = (-log_s).exp(), at.first | at.last
    inside = torch.log(-torch.expm1((at.lower - at.upper).where(~ends, -1) * rate)).where(~ends, 0)
    upper = logsigmoid((at.upper - m) * rate).where(~at.last, 0)
    return inside + upper + logsigmoid((m - at.lower) * rate).where(~at.first, 0)
