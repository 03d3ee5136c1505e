"""Numbers by their place among the training rows: bins between quantiles, as tensors."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

__all__ = ["LOGISTIC_SCALE", "Bins", "Places", "Quantiles"]


class Bins(NamedTuple):
    """How the numbers of one column spread; see `QuantileColumn`."""

    edges: Sequence[float]
    shares: Sequence[float]
    centres: Sequence[float]
    atoms: Sequence[bool]
    digits: int | None


LOGISTIC_SCALE = math.pi / math.sqrt(3)
"""The standard deviation of the logistic distribution."""
DUMMY = Bins((0.0,), (0.5, 0.5), (-1.0, 1.0), (False, False), None)


class Places(NamedTuple):
    """Where numbers lie: in which bin, and where in it.

    Arguments:
        lower: The score of the lower edge of the bin; 0 where there is none.
        upper: That of the upper edge; 0 where there is none.
        first: Whether the bin has no lower edge.
        last: Whether it has no upper edge.
        position: The share of the bin that lies below the number.
        rest: The share above it.
        log_density: Of the number within its bin, in units of the column's scale.
    """

    lower: Float[Tensor, "*B N"]
    upper: Float[Tensor, "*B N"]
    first: Bool[Tensor, "*B N"]
    last: Bool[Tensor, "*B N"]
    position: Float[Tensor, "*B N"]
    rest: Float[Tensor, "*B N"]
    log_density: Float[Tensor, "*B N"]


class Quantiles(nn.Module):
    r"""Places the numbers of N columns on the scale of the log-odds of their training rows.

    .. math:: u_e = \log \frac{P(x \le e)}{P(x > e)}, \qquad e \text{ an edge,}

    of numbers that repeat; of others the mean of that and of e itself, standardised.
    Within a bin rows are as dense everywhere; beyond the first and the last edge they thin out
    exponentially. A column without quantiles has dummies here, and `known` False.

    Arguments:
        bins: Of each column; None of one without quantiles.
        scales: Of each column.
    """

    def __init__(self, bins: Sequence[Bins | None], scales: Sequence[float]) -> None:
        super().__init__()
        self.any = any(b is not None for b in bins)
        rules = [DUMMY if b is None else b for b in bins]
        most = max((len(rule.edges) for rule in rules), default=1)
        found = [_tables(rule, scale, most) for rule, scale in zip(rules, scales, strict=True)]
        stacked = [np.stack(part) for part in zip(*found, strict=True)]
        self.known: Tensor
        self.by_rank: Tensor
        self.edges: Tensor
        self.scores: Tensor
        self.centres: Tensor
        self.rates: Tensor
        self.atoms: Tensor
        self.size: Tensor
        self.grid: Tensor
        shape = len(rules), most
        for name, values, dtype in (
            ("known", [b is not None for b in bins], torch.bool),
            ("by_rank", [b is not None and _by_rank(b) for b in bins], torch.bool),
            ("size", [len(rule.edges) for rule in rules], torch.int64),
            ("grid", [0.0 if r.digits is None else 10.0**r.digits for r in rules], None),  # 0: any
            ("edges", stacked[0] if found else np.zeros(shape), None),
            ("scores", stacked[1] if found else np.zeros(shape), None),
            ("centres", stacked[2] if found else np.zeros(shape), None),
            ("rates", stacked[3] if found else np.zeros(shape), None),  # log-density in a bin
            ("atoms", stacked[4] if found else np.zeros(shape), torch.bool),
        ):
            kind = torch.get_default_dtype() if dtype is None else dtype
            tensor = torch.as_tensor(np.asarray(values)).to(kind)
            self.register_buffer(name, tensor, persistent=False)

    def bin_of(self, x: Float[Tensor, "*B N"]) -> Tensor:
        """Finds the bin of each number."""
        by_column = x.reshape(x.shape[:-1].numel(), x.shape[-1]).T.contiguous()
        found = torch.searchsorted(self.edges.to(x.dtype), by_column)
        return found.T.reshape(x.shape).minimum(self.size)

    def places(self, x: Float[Tensor, "*B N"], scale: Float[Tensor, " N"]) -> Places:
        """Places numbers in natural units.

        Arguments:
            x: The numbers, none missing.
            scale: Of the columns.
        """
        bins = self.bin_of(x)
        first, last = bins == 0, bins == self.size
        below, above = (bins - 1).clamp_min(0), bins.minimum(self.size - 1)
        low, high = self._take(self.edges, below), self._take(self.edges, above)
        rate = self._take(self.rates, bins)
        thin = rate.exp() / scale  # 1/τ of an open end, 1/width of another bin
        beyond = torch.where(first, high - x, x - low).clamp_min(0) * thin
        fading = (-beyond).exp()
        below_it = beyond.clamp(0, 1)
        position = torch.where(first, fading, torch.where(last, 1 - fading, below_it))
        rest = torch.where(first, 1 - fading, torch.where(last, fading, 1 - below_it))
        density = rate - beyond.where(first | last, 0)
        lower, upper = self._take(self.scores, below), self._take(self.scores, above)
        return Places(lower, upper, first, last, position, rest, density)

    def score(self, x: Float[Tensor, "*B N"], scale: Float[Tensor, " N"]) -> Float[Tensor, "*B N"]:
        """Gives the log-odds at numbers themselves: log P(≤ x) − log P(> x) of training rows."""
        at = self.places(x, scale)
        low = at.lower.sigmoid().masked_fill(at.first, 0)
        high = at.upper.sigmoid().masked_fill(at.last, 1)
        return (low + at.position * (high - low)).clamp(1e-4, 1 - 1e-4).logit()

    def place(self, x: Float[Tensor, "*B N"], scale: Float[Tensor, " N"]) -> Float[Tensor, "*B N"]:
        """Gives numbers on the scale of the edges; of one beyond them, about where it is."""
        at = self.places(x, scale)
        between = at.lower + at.position * (at.upper - at.lower)
        return between + at.last.to(x.dtype) - at.first.to(x.dtype)

    def number(
        self, bins: Tensor, position: Float[Tensor, "*B N"], scale: Float[Tensor, " N"]
    ) -> Float[Tensor, "*B N"]:
        """Gives the numbers at such a place of such bins, as fine as those of the rows."""
        first, last = bins == 0, bins == self.size
        below, above = (bins - 1).clamp_min(0), bins.minimum(self.size - 1)
        low, high = self._take(self.edges, below), self._take(self.edges, above)
        tau = (-self._take(self.rates, bins)).exp() * scale
        tiny = torch.finfo(position.dtype).tiny
        x = low + position * (high - low)
        x = x.where(~first, high + tau * position.clamp_min(tiny).log())
        x = x.where(~last, low - tau * (1 - position).clamp_min(tiny).log())
        grid = self.grid.clamp_min(1)
        x = x.where(self.grid == 0, (x * grid).round() / grid)
        return x.where(~self._take(self.atoms, bins), self._take(self.centres, bins))

    def _take(self, table: Tensor, index: Tensor) -> Tensor:
        """Takes from each column's row of a table."""
        return table[torch.arange(len(table), device=table.device), index]


def _tables(rule: Bins, scale: float, most: int) -> tuple[np.ndarray, ...]:
    """Edges, scores, centres, log-densities and atoms of one column, as many as the most have."""
    edges, shares, centres, atoms, _ = rule
    places = np.array(edges, np.float32).astype(np.float64)
    below = np.cumsum(shares)[:-1]
    above = np.cumsum(shares[::-1])[::-1][1:]
    ends = places[0] - centres[0], centres[-1] - places[-1]
    widths = np.array([ends[0], *np.diff(places), ends[1]]) / scale
    spare = most - len(places)
    return (
        np.pad(places, (0, spare), constant_values=np.inf),
        np.pad(
            _scores(rule, scale, np.log(below) - np.log(above)), (0, spare), constant_values=np.inf
        ),
        np.pad(np.array(centres), (0, spare), mode="edge"),
        np.pad(-np.log(widths), (0, spare), mode="edge"),
        np.pad(np.array(atoms), (0, spare)),
    )


def _scores(rule: Bins, scale: float, log_odds: np.ndarray) -> np.ndarray:
    """Gives the edges of a column the places that h is compared with.

    Those of numbers that repeat are the log-odds alone, as of ordered categories. Others take as
    much from the numbers themselves, so that what is linear in them nearly stays so.
    """
    if _by_rank(rule):
        return log_odds
    standardised = (np.array(rule.edges, np.float32) - rule.shares @ np.array(rule.centres)) / scale
    return (log_odds + LOGISTIC_SCALE * standardised) / 2


def _by_rank(rule: Bins) -> bool:
    """Whether most rows have numbers that repeat."""
    return float(np.array(rule.shares)[np.array(rule.atoms)].sum()) > 0.5
