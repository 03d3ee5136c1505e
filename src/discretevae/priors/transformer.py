"""A prior over grids of codes by causal attention."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from discretevae.names import require_count
from discretevae.networks.text import TransformerBlock
from discretevae.priors.grid import SCALE, GridPrior, Visit

__all__ = ["Cache", "TransformerPrior"]


class TransformerPrior(GridPrior):
    r"""A causal transformer over all grids as one sequence: each position given all before it.

    .. math:: h = \mathrm{LN}(\mathrm{blocks}(x)), \qquad
        x_t = e(z_{t-1}) + \mathrm{row}_t + \mathrm{column}_t + \mathrm{level}_t

    The three are learned. All grids share the rows and columns of the finest: a coarse one has
    every so many of them.

    Arguments:
        num_latents: D.
        num_categories: K.
        grids: Height and width of each grid; by default one square grid, or one row.
        width: F, the features of a position.
        layers: Blocks of attention, by four heads where 4 divides the width.

    Raises:
        ValueError: If a size is out of range, or the grids have not D positions.

    Reference: Vaswani et al., Attention is all you need, 2017, with the normalisation before each
    part; over grids of codes: Esser, Rombach & Ommer, Taming transformers for high-resolution
    image synthesis, 2021, eq. 7.

    Example:
        >>> prior = TransformerPrior(5, 8, grids=[[1, 1], [2, 2]], width=8, layers=1)
        >>> round(prior.log_prob_of_codes(torch.tensor([0, 1, 2, 3, 4])).item(), 4)  # −5 log 8
        -10.3972
        >>> prior.sample(3).shape
        torch.Size([3, 5])
    """

    kind: ClassVar[str] = "transformer"

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        grids: Sequence[Sequence[int]] | None = None,
        width: int = 128,
        layers: int = 4,
    ) -> None:
        super().__init__(num_latents, num_categories, grids, width)
        require_count("layers", layers)
        self.layers = int(layers)
        height, breadth = (max(sizes) for sizes in zip(*self.grids, strict=True))
        places = [
            (row * height // h, column * breadth // w, level)
            for level, (h, w) in enumerate(self.grids)
            for row in range(h)
            for column in range(w)
        ]
        self.places: Tensor
        self.register_buffer("places", torch.tensor(places).T, persistent=False)
        self.start = _learned(1, width)
        self.rows, self.columns = _learned(height, width), _learned(breadth, width)
        self.levels = _learned(len(self.grids), width)
        self.blocks: Any = nn.ModuleList(TransformerBlock(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def features(
        self, embedded: Sequence[Float[Tensor, "n _ F"]], first: int
    ) -> list[Float[Tensor, "n _ F"]]:
        areas = self.areas[: len(embedded)]
        length = sum(areas)
        x = self._slots(len(embedded[0]), embedded)[:, :length]
        h = self._through(x + self._places(0, length), [None] * self.layers)
        return list(h.split(areas, 1))[first:]

    def walk(
        self, level: int, count: int, embedded: Sequence[Float[Tensor, "n _ F"]], visit: Visit
    ) -> None:
        start, stop = self.starts[level : level + 2]
        caches = [Cache(stop) for _ in self.blocks]
        x = self._slots(count, embedded) + self._places(0, start + 1)
        for t in range(start + 1, stop):
            e = visit(self._through(x, caches)[:, -1])
            x = e[:, None] + self._places(t, t + 1)
        visit(self._through(x, caches)[:, -1])

    def logits_along(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        with sdpa_kernel(SDPBackend.MATH):  # no other is differentiated twice, as estimators do
            return super().logits_along(z)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "layers": self.layers}

    def _slots(self, count: int, embedded: Sequence[Tensor]) -> Float[Tensor, "n T F"]:
        """Puts before each position what stands at the one before it."""
        return torch.cat([self.start.expand(count, 1, self.width), *embedded], 1)

    def _places(self, start: int, stop: int) -> Float[Tensor, "T F"]:
        row, column, level = self.places[:, start:stop]
        return self.rows[row] + self.columns[column] + self.levels[level]

    def _through(
        self, x: Float[Tensor, "n T F"], caches: Sequence["Cache | None"]
    ) -> Float[Tensor, "n T F"]:
        for block, cache in zip(self.blocks, caches, strict=True):
            query, key, value = block.projected(x)
            if cache is not None:
                key, value = cache.extended(key, value)
            # One position that follows others sees all of them.
            causal = query.shape[2] == key.shape[2]
            attended = scaled_dot_product_attention(query, key, value, is_causal=causal)
            x = block.joined(x, attended)
        return self.norm(x)


class Cache:
    """Keys and values of the positions so far.

    Arguments:
        length: T, of how many there will be.

    Example:
        >>> cache = Cache(3)
        >>> for _ in range(2):
        ...     keys, values = cache.extended(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4))
        >>> keys.shape
        torch.Size([1, 2, 2, 4])
    """

    def __init__(self, length: int) -> None:
        self.length, self.filled = length, 0

    def extended(
        self, k: Float[Tensor, "n heads t d"], v: Float[Tensor, "n heads t d"]
    ) -> tuple[Float[Tensor, "n heads T d"], Float[Tensor, "n heads T d"]]:
        """Adds those of the next positions, and gives all."""
        if not self.filled:
            self.keys, self.values = (
                t.new_empty(*t.shape[:2], self.length, t.shape[3]) for t in (k, v)
            )
        new = slice(self.filled, self.filled + k.shape[2])
        self.keys[:, :, new], self.values[:, :, new] = k, v
        self.filled = new.stop
        return self.keys[:, :, : self.filled], self.values[:, :, : self.filled]


def _learned(count: int, width: int) -> nn.Parameter:
    return nn.Parameter(SCALE * torch.randn(count, width))
