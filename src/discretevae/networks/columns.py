"""Fully connected networks for the rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.networks.mlp import perceptron
from discretevae.networks.network import ACTIVATIONS, Network, Unflatten, require_widths
from discretevae.schema.columns import Cells, Column, as_columns

__all__ = ["ColumnsNetwork"]

LEAKY = ACTIVATIONS["leaky-relu"]


@dataclass(frozen=True)
class ColumnsNetwork(Network):
    r"""Sees a row as numbers, signs and one-hot categories, and which of its cells are there.

    Numeric cells are standardised, binary ones are −1 and 1; all of a missing cell is 0. An
    encoder in training mode may hide some cells more, each with the same probability. The bound
    on log p of the observed cells holds for any q, so that it stays a bound, and q(z|x) learns
    to do without any of them: what imputation asks of it.

    Arguments:
        columns: Those of the table, or what their `config` gave.
        widths: Units of the hidden layers, from the row inwards; mirrored in the decoder.
        hidden: The fraction in [0, 1) of the cells that are hidden while training.

    Raises:
        ValueError: If a column does not fit its kind, a width is below 1 or `hidden` outside
            [0, 1), or the encoder is asked for another number of columns.

    References: Im, Ahn, Memisevic & Bengio, Denoising criterion for variational auto-encoding
        framework, 2017, eq. 4 (hidden inputs); Mattei & Frellsen, MIWAE, 2019, section 3 (zeros
        for missing cells).

    Example:
        >>> from discretevae.schema.columns import CategoricalColumn, NumericColumn
        >>> columns = NumericColumn("a", 0.0, 1.0), CategoricalColumn("b", ("x", "y", "z"))
        >>> network = ColumnsNetwork(columns, widths=(8,), hidden=0.2)
        >>> network.encoder((2,), 6)(torch.tensor([[0.5, 2.0], [0.5, torch.nan]])).shape
        torch.Size([2, 6])
    """

    columns: Sequence[Column | Mapping[str, Any]]
    widths: tuple[int, ...] = (128, 64)
    hidden: float = 0.0

    kind: ClassVar[str] = "columns"
    takes_gaps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", as_columns(self.columns))
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        require_widths("widths", self.widths)
        if not 0 <= self.hidden < 1:
            raise ValueError(f"`hidden` must be a fraction in [0, 1), got {self.hidden}.")

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Sequential:
        if tuple(shape) != (len(self.columns),):
            raise ValueError(
                f"`shape` must be ({len(self.columns)},) for as many columns, got {tuple(shape)}."
            )
        rows = RowFeatures(as_columns(self.columns))
        return nn.Sequential(
            HiddenCells(self.hidden), rows, *perceptron([rows.size, *self.widths, features], LEAKY)
        )

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Sequential:
        sizes = [features, *reversed(self.widths), torch.Size(shape).numel()]
        return nn.Sequential(*perceptron(sizes, LEAKY), Unflatten(shape))

    def config(self) -> dict[str, Any]:
        columns = [column.config() for column in as_columns(self.columns)]
        return super().config() | {"columns": columns}

    def describe(self) -> str:
        return f"{self.kind.upper()} {'-'.join(map(str, self.widths))}"


class RowFeatures(nn.Module):
    """Makes vectors of rows, (*B, F) → (*B, size): contents of the cells, and which are there."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        super().__init__()
        self.cells = Cells(columns)
        bits = self.cells.num_binary
        self.size = self.cells.num_numeric + bits + sum(self.cells.sizes) + len(columns)

    def forward(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B size"]:
        pairs, others = self.cells.one_hot(x).tensor_split([2 * self.cells.num_binary], -1)
        signs = pairs[..., 1::2] - pairs[..., ::2]
        return torch.cat([self.cells.scores(x), signs, others, (~x.isnan()).to(x.dtype)], -1)


class HiddenCells(nn.Module):
    """Makes some cells of rows missing while it trains.

    The draws are a function of how many there have been, which is part of the state: a run that
    is resumed repeats them.
    """

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction
        self.draws: Tensor
        if fraction:
            # Of the weights' type, as all that is stored; whole numbers are exact up to 2^24.
            self.register_buffer("draws", torch.randint(2**20, ()).to(torch.get_default_dtype()))

    def forward(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
        if not (self.training and self.fraction):
            return x
        generator = torch.Generator(x.device).manual_seed(int(self.draws))
        self.draws += 1
        uniform = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        return x.masked_fill(uniform < self.fraction, torch.nan)
