"""A prior over grids of codes, each grid given those before it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from discretevae.latents import require_sizes
from discretevae.names import require_count
from discretevae.priors.prior import Choose, Prior, drawn

__all__ = ["GridPrior", "Visit", "grids_of"]

NUMBERS = 2**25
"""Logits, or numbers of a network, of the codes that go through it together."""
LAYERS = 16
"""Numbers of a network at a position, for each of its width."""
SCALE = 0.1
"""Standard deviation of what is learned of a class or a place, at first."""

Visit = Callable[[Float[Tensor, "count F"]], Float[Tensor, "count F"]]
"""From the features of a position to the embedding of the class that is chosen there."""


def grids_of(
    num_latents: int, grids: Sequence[Sequence[int]] | None = None
) -> tuple[tuple[int, int], ...]:
    """Reads heights and widths; by default one square grid, or one row where D is no square.

    Raises:
        ValueError: If they are no pairs of positive numbers with D positions in all.

    Example:
        >>> grids_of(49), grids_of(3), grids_of(5, [[1, 1], [2, 2]])
        (((7, 7),), ((1, 3),), ((1, 1), (2, 2)))
    """
    if grids is None:
        side = math.isqrt(num_latents)
        return ((side, side),) if side * side == num_latents else ((1, num_latents),)
    try:
        found = tuple((int(height), int(width)) for height, width in grids)
    except (TypeError, ValueError):
        found = ()
    if min((min(grid) for grid in found), default=0) < 1 or _positions(found) != num_latents:
        raise ValueError(
            f"`grids` must be pairs of height and width, at least 1, of D = {num_latents} "
            f"positions in all, got {grids}."
        )
    return found


def _positions(grids: Sequence[tuple[int, int]]) -> int:
    return sum(height * width for height, width in grids)


class GridPrior(Prior, ABC):
    r"""Grids in turn, each position given the grids before and what precedes it in its own.

    .. math:: p(z) = \prod_l p(z_l | z_{<l}), \qquad
        p(z_l | z_{<l}) = \prod_i \mathrm{Cat}(z_{l,i}; \mathrm{softmax}(W_l h_{l,i} + b_l))

    The features :math:`h_{l,i}` of position i of grid l are a network's, from embeddings of the
    classes at :math:`z_{<l}` and :math:`z_{l,<i}`. W and b are 0 at first: all codes are equally
    probable. Grids are flattened row by row and stand side by side in a code of
    :math:`D = \sum_l h_l w_l` classes: one grid; several of a size, as residual quantisers give
    them; or a coarse one, then finer ones, as in VQ-VAE-2.

    `log_prob_of_codes` and the levels never make codes one-hot. Many codes go through the network
    in parts, which in training are computed again for their gradients, so that memory does not grow
    with their number.

    Arguments:
        num_latents: D.
        num_categories: K.
        grids: Height and width of each grid; by default one square grid, or one row.
        width: F, the numbers of an embedding and the features of a position.

    Raises:
        ValueError: If a size is out of range, or the grids have not D positions.
    """

    over_grids: ClassVar[bool] = True

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        grids: Sequence[Sequence[int]] | None,
        width: int,
    ) -> None:
        super().__init__()
        require_sizes(num_latents, num_categories)
        require_count("width", width)
        self.sizes, self.width = (num_latents, num_categories), int(width)
        self.grids = grids_of(num_latents, grids)
        self.areas = [height * width for height, width in self.grids]
        self.starts = [0, *accumulate(self.areas)]
        self.tables, self.outputs = nn.ModuleList(), nn.ModuleList()
        for _ in self.grids:
            table, output = nn.Embedding(num_categories, width), nn.Linear(width, num_categories)
            nn.init.normal_(table.weight, std=SCALE)
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
            self.tables.append(table)
            self.outputs.append(output)

    @abstractmethod
    def features(
        self, embedded: Sequence[Float[Tensor, "n _ F"]], first: int
    ) -> list[Float[Tensor, "n _ F"]]:
        """Gives h of every position of the grids from `first` to the last that is given.

        Arguments:
            embedded: The classes of the first grids, as their tables have them.
            first: The first grid that is asked for.
        """

    @abstractmethod
    def walk(
        self, level: int, count: int, embedded: Sequence[Float[Tensor, "n _ F"]], visit: Visit
    ) -> None:
        """Goes through the positions of a grid in their order, as `features` would have them.

        Arguments:
            level: Of the grid.
            count: Of codes.
            embedded: The classes of all grids before it.
            visit: Is given h of each position, and gives the embedding of what stands there.
        """

    @property
    def shape(self) -> tuple[int, int]:
        return self.sizes

    def log_prob_of_level(
        self, level: int, codes: Int[Tensor, "*SB A"], before: Int[Tensor, "*SB P"]
    ) -> Float[Tensor, "*SB"]:
        r"""Gives :math:`\log p(z_l | z_{<l})` in nats.

        Arguments:
            level: l, from 0.
            codes: The classes of grid l.
            before: Those of all grids before it, side by side.

        Raises:
            ValueError: If there is no such grid, or it or those before have other sizes.
        """
        self._require(level, before, codes)
        return self._in_parts(torch.cat([before, codes], -1), level)

    def log_prob_of_codes(
        self, codes: Int[Tensor, "*SB D"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return self._in_parts(codes, 0)

    def trained_log_prob_of_codes(
        self, codes: Int[Tensor, "*SB D"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return self.log_prob_of_codes(codes)

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return (z * self.logits_along(z).log_softmax(-1)).sum((-2, -1))

    def logits_along(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        with torch.autocast(z.device.type, enabled=False):
            grids = z.reshape(-1, *self.sizes).split(self.areas, 1)
            tables = self.tables
            embedded = [part @ table.weight for part, table in zip(grids, tables, strict=True)]
            features = self.features(embedded, 0)
            logits = [output(h) for output, h in zip(self.outputs, features, strict=True)]
            return torch.cat(logits, 1).view(z.shape)

    def sample_level(
        self, level: int, before: Int[Tensor, "count P"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "count A"]:
        r"""Draws grid l from :math:`p(z_l | z_{<l})`, as class indices.

        Arguments:
            level: l, from 0.
            before: The classes of all grids before it, side by side: (count, 0) before the first.
            generator: Of the draws.

        Raises:
            ValueError: If there is no such grid, or those before it have other sizes.
        """
        return self.level_one_by_one(level, before, drawn(generator))

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        return self.one_by_one(count, drawn(generator))

    def one_by_one(self, count: int, choose: Choose) -> Int[Tensor, "count D"]:
        device = next(self.parameters()).device
        codes = torch.empty(count, 0, dtype=torch.int64, device=device)
        for level in range(len(self.grids)):
            codes = torch.cat([codes, self.level_one_by_one(level, codes, choose)], -1)
        return codes

    @torch.no_grad()
    def level_one_by_one(
        self, level: int, before: Int[Tensor, "count P"], choose: Choose
    ) -> Int[Tensor, "count A"]:
        """Chooses the classes of one grid in their order, each by its logits.

        What the network has computed is kept: it takes about as long as one pass.
        """
        self._require(level, before)
        table, output = self.tables[level], self.outputs[level]
        codes: list[Tensor] = []

        def visit(h: Float[Tensor, "count F"]) -> Float[Tensor, "count F"]:
            codes.append(choose(output(h)))
            return table(codes[-1])

        with torch.autocast(before.device.type, enabled=False):
            self.walk(level, len(before), self._embedded(before), visit)
        return torch.stack(codes, -1)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "grids": [list(grid) for grid in self.grids],
            "width": self.width,
        }

    def _embedded(self, codes: Int[Tensor, "n _"]) -> list[Float[Tensor, "n _ F"]]:
        """Looks up the classes of the first grids, as many as there are."""
        levels = self.starts.index(codes.shape[1])
        grids = codes.split(self.areas[:levels], 1) if levels else ()
        return [table(part) for part, table in zip(grids, self.tables, strict=False)]

    def _in_parts(self, codes: Int[Tensor, "*SB _"], first: int) -> Float[Tensor, "*SB"]:
        """Gives log p of the grids from `first` on, in parts that memory holds."""
        latents, categories = self.sizes
        size = max(1, NUMBERS // (latents * max(categories, LAYERS * self.width)))
        parts = codes.reshape(-1, codes.shape[-1]).split(size)
        with torch.autocast(codes.device.type, enabled=False):
            if len(parts) > 1 and torch.is_grad_enabled():
                found = [checkpoint(self._log_p, p, first, use_reentrant=False) for p in parts]
            else:
                found = [self._log_p(part, first) for part in parts]
        return torch.cat(found).view(codes.shape[:-1])

    def _log_p(self, codes: Int[Tensor, "n _"], first: int) -> Float[Tensor, " n"]:
        features = self.features(self._embedded(codes), first)
        log_p = features[0].new_zeros(len(codes))
        for level, h in enumerate(features, first):
            z = codes[:, self.starts[level] : self.starts[level + 1]]
            logits = self.outputs[level](h)
            log_p = log_p - cross_entropy(logits.mT, z, reduction="none").sum(-1)
        return log_p

    def _require(self, level: int, before: Tensor, codes: Tensor | None = None) -> None:
        if not 0 <= level < len(self.grids):
            raise ValueError(f"`level` must be from 0 to {len(self.grids) - 1}, got {level}.")
        for name, part, size in (
            ("before", before, self.starts[level]),
            ("codes", codes, self.areas[level]),
        ):
            if part is not None and part.shape[-1] != size:
                raise ValueError(
                    f"`{name}` must have {size} classes at level {level}, got {part.shape[-1]}."
                )
