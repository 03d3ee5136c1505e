"""A prior over grids of codes by masked convolutions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from discretevae.names import require_count
from discretevae.priors.grid import SCALE, GridPrior, Visit

__all__ = ["GatedLayer", "PixelCNNPrior"]


class PixelCNNPrior(GridPrior):
    r"""The gated PixelCNN: each position given those above it and to its left.

    Each grid has a network of its own, whose vertical stack sees the rows above and whose
    horizontal stack sees what is to the left, so that nothing in reach is left out: with n layers,
    n + 1 rows up and n + 1 columns to the left; the vertical stack sees n columns to either side.
    Both stacks are given a map: what is learned of each place, and, from the second grid on,
    convolutions over the embeddings of all grids before: repeated where this one is finer (the
    nearest neighbour), averaged where it is coarser.

    Arguments:
        num_latents: D.
        num_categories: K.
        grids: Height and width of each grid; by default one square grid, or one row.
        width: F, the features of a position.
        layers: n of each grid.

    Raises:
        ValueError: If a size is out of range, or the grids have not D positions.

    Reference: van den Oord et al., Conditional image generation with PixelCNN decoders, 2016,
    eq. 2 and figure 2; here the vertical stack is residual too.

    Example:
        >>> prior = PixelCNNPrior(5, 8, grids=[[1, 1], [2, 2]], width=4, layers=2)
        >>> round(prior.log_prob_of_codes(torch.tensor([0, 1, 2, 3, 4])).item(), 4)  # −5 log 8
        -10.3972
        >>> prior.sample(3).shape
        torch.Size([3, 5])
    """

    kind: ClassVar[str] = "pixelcnn"

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        grids: Sequence[Sequence[int]] | None = None,
        width: int = 64,
        layers: int = 8,
    ) -> None:
        super().__init__(num_latents, num_categories, grids, width)
        require_count("layers", layers)
        self.layers = int(layers)
        self.networks: Any = nn.ModuleList(
            _Network(grid, level, width, layers) for level, grid in enumerate(self.grids)
        )

    def features(
        self, embedded: Sequence[Float[Tensor, "n _ F"]], first: int
    ) -> list[Float[Tensor, "n _ F"]]:
        maps = [self._as_map(level, e) for level, e in enumerate(embedded)]
        return [
            self.networks[level](maps[level], maps[:level]).flatten(2).mT
            for level in range(first, len(maps))
        ]

    def walk(
        self, level: int, count: int, embedded: Sequence[Float[Tensor, "n _ F"]], visit: Visit
    ) -> None:
        maps = [self._as_map(level, e) for level, e in enumerate(embedded)]
        self.networks[level].walk(count, maps, visit)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "layers": self.layers}

    def _as_map(self, level: int, e: Float[Tensor, "n _ F"]) -> Float[Tensor, "n F h w"]:
        return e.mT.unflatten(-1, self.grids[level])


class _Network(nn.Module):
    """From one grid and those before it to the features of each of its positions."""

    def __init__(self, grid: tuple[int, int], level: int, width: int, layers: int) -> None:
        super().__init__()
        self.grid = grid
        self.place = nn.Parameter(SCALE * torch.randn(width, *grid))
        self.before = nn.Sequential(*_convolutions(level * width, width)) if level else None
        self.layers: Any = nn.ModuleList(GatedLayer(width) for _ in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU())

    def forward(
        self, x: Float[Tensor, "n F h w"], before: Sequence[Tensor]
    ) -> Float[Tensor, "n F h w"]:
        c = self.given(before)
        v = pad(x, (0, 0, 1, -1)) + c  # what stands above
        h = pad(x, (1, -1)) + c  # what stands to the left
        for layer in self.layers:
            v, across = layer.vertical(pad(v, (0, 0, 1, 0)), c)
            h = layer.horizontal(pad(h, (1, 0)), across)
        return self.head(h)

    def walk(self, count: int, before: Sequence[Tensor], visit: Visit) -> None:
        """Does the same position by position, and keeps the row above and what is to the left."""
        c, (height, width) = self.given(before), self.grid
        row = self.place.new_zeros(count, len(self.place), 1, width)
        above = [row] * len(self.layers)
        for i in range(height):
            c_i = c[:, :, i : i + 1]
            v, acrosses = row + c_i, []
            for n, layer in enumerate(self.layers):
                seen, above[n] = torch.cat([above[n], v], 2), v
                v, across = layer.vertical(seen, c_i)
                acrosses.append(across)
            x = row[..., :1] * 0
            left, embedded = [x] * len(self.layers), []
            for j in range(width):
                h = x + c_i[..., j : j + 1]
                for n, layer in enumerate(self.layers):
                    seen, left[n] = torch.cat([left[n], h], 3), h
                    h = layer.horizontal(seen, acrosses[n][..., j : j + 1])
                x = visit(self.head(h)[..., 0, 0])[..., None, None]
                embedded.append(x)
            row = torch.cat(embedded, 3)

    def given(self, before: Sequence[Tensor]) -> Float[Tensor, "_ F h w"]:
        """Gives the map of what is known of each place."""
        if self.before is None:
            return self.place[None]
        resized = [interpolate(e, size=self.grid, mode="area") for e in before]
        return self.place + self.before(torch.cat(resized, 1))


def _convolutions(channels: int, width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 3, padding=1),
        *(layer for _ in range(3) for layer in (nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))),
    ]


class GatedLayer(nn.Module):
    r"""One layer of both stacks; c is the map that they are given.

    .. math::
        a &= W_v * v, & v' &= v + g(a + V_v c), & g(a) &= \tanh a_1 \odot \sigma(a_2) \\
        b &= W_h * h + W_{vh} a + V_h c, & h' &= h + U g(b)

    :math:`W_v` covers a row and the one above it, :math:`W_h` a position and the one to its left.

    Arguments:
        width: F of v and h.

    Reference: van den Oord et al., Conditional image generation with PixelCNN decoders, 2016,
    eq. 2 and figure 2.

    Example:
        >>> v = h = torch.zeros(2, 4, 3, 3)
        >>> layer, c = GatedLayer(4), torch.zeros(1, 4, 3, 3)
        >>> v, across = layer.vertical(pad(v, (0, 0, 1, 0)), c)
        >>> layer.horizontal(pad(h, (1, 0)), across).shape
        torch.Size([2, 4, 3, 3])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_rows = nn.Conv2d(width, 2 * width, (2, 3), padding=(0, 1))
        self.of_columns = nn.Conv2d(width, 2 * width, (1, 2))
        self.across = nn.Conv2d(2 * width, 2 * width, 1)
        self.of_map = nn.Conv2d(width, 4 * width, 1)
        self.residual = nn.Conv2d(width, width, 1)

    def vertical(
        self, v: Float[Tensor, "n F above w"], c: Float[Tensor, "_ F h w"]
    ) -> tuple[Float[Tensor, "n F h w"], Float[Tensor, "n F2 h w"]]:
        """Gives v' and what the horizontal stack takes over, of v with a row more above it."""
        of_v, of_h = self.of_map(c).chunk(2, 1)
        a = self.of_rows(v)
        return v[:, :, 1:] + _gate(a + of_v), self.across(a) + of_h

    def horizontal(
        self, h: Float[Tensor, "n F h left"], across: Float[Tensor, "n F2 h w"]
    ) -> Float[Tensor, "n F h w"]:
        """Gives h' of h with a column more to its left."""
        return h[..., 1:] + self.residual(_gate(self.of_columns(h) + across))


def _gate(a: Float[Tensor, "n F2 h w"]) -> Float[Tensor, "n F h w"]:
    a_1, a_2 = a.chunk(2, 1)
    return a_1.tanh() * a_2.sigmoid()
