"""Rows of a table: numbers, bits and categories, any of them missing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Size, Tensor
from torch.distributions import Distribution

from discretevae.latents import categorical
from discretevae.likelihoods.correlation import Correlation
from discretevae.likelihoods.likelihood import Learned, Likelihood
from discretevae.likelihoods.numbers import Numbers
from discretevae.schema.columns import Cell, Cells, Column, DiscreteColumn, as_columns, table_rows

__all__ = ["ColumnsDistribution", "ColumnsLikelihood"]

PAIRS = 2**24
"""Numbers of pairs of a code and a row that are looked at together."""
SMALL = 1e-3
"""What a scale without a code is above the least one, in units of that, where numbers repeat."""


class ColumnsDistribution(Distribution):
    """The cells of rows given h; missing ones are integrated out.

    They are independent of each other, but for numbers where a correlation is given.

    Arguments:
        cells: Reads rows.
        h: Of every row the N means and the N log-scales of numeric columns in standardised
            units, one logit for each binary column and one for each category of the others.
        least_scale: What a scale does not fall below, in standardised units.
        matrix: Correlation of the normal scores of numbers; without it they are independent.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        cells: Cells,
        h: Float[Tensor, "*SB P"],
        least_scale: float,
        matrix: Float[Tensor, "N N"] | None = None,
    ) -> None:
        self.cells, self.matrix = cells, matrix
        numeric, binary = cells.num_numeric, cells.num_binary
        numbers, logits = h[..., : 2 * numeric], h[..., 2 * numeric :]
        self.location, log_scale = numbers[..., :numeric], numbers[..., numeric:]
        self.log_scale = torch.logaddexp(log_scale, log_scale.new_tensor(least_scale).log())
        self.numbers = Numbers(cells, self.location, self.log_scale)
        bits, *others = logits.split([binary, *cells.sizes], -1)
        pairs = torch.nn.functional.logsigmoid(torch.stack([-bits, bits], -1)).flatten(-2)
        self.log_p = torch.cat([pairs, *(other.log_softmax(-1) for other in others)], -1)
        super().__init__(h.shape[:-1], Size([len(cells.columns)]), validate_args=False)

    def log_prob(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*SB"]:
        """Gives the log-probability in nats of the observed cells of each row."""
        total = self._log_density(x).sum(-1) + (self.log_p * self.cells.one_hot(x)).sum(-1)
        if self.matrix is None:
            return total
        return total + self._correlation(x).log_prob(self.numbers.normal(x))

    def log_prob_of_columns(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*SB F"]:
        """Gives the log-probability in nats of every cell given the others; 0 of a missing one."""
        numeric = self._log_density(x)
        if self.matrix is not None:
            numeric = numeric + self._correlation(x).log_prob_of_each(self.numbers.normal(x))
        cells = numeric.new_zeros((*numeric.shape[:-1], len(self.cells.columns)))
        cells = cells.index_copy(-1, self.cells.numeric, numeric)
        return cells.index_add(-1, self.cells.owner, self.log_p * self.cells.one_hot(x))

    def _log_density(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*SB N"]:
        """Of the numeric cells in natural units, each by itself; 0 of a missing one."""
        return (self.numbers.log_prob(x) - self.cells.scale.log()) * self.cells.observed(x)

    def _correlation(self, x: Float[Tensor, "*B F"]) -> Correlation:
        assert self.matrix is not None
        return Correlation(self.matrix, self.cells.observed(x))

    @property
    def moments(self) -> tuple[Float[Tensor, "*SB N"], Float[Tensor, "*SB Q"]]:
        """The means of numeric columns, standardised, and the probabilities of all categories."""
        return self.numbers.mean(), self.log_p.exp()

    def moments_given(
        self, x: Float[Tensor, "*B F"], needed: Bool[Tensor, "*SB"]
    ) -> tuple[Float[Tensor, "*#SB N"], Float[Tensor, "*#SB Q"]]:
        """The same of missing cells, given the others of their row.

        Arguments:
            x: Rows with missing cells.
            needed: Of which pairs of h and a row the numbers are wanted.
        """
        if self.matrix is None:
            return self.moments
        missing = needed[..., None] & ~self.cells.observed(x)
        location, variance = self._correlation(x).given(self.numbers.normal(x))
        return self.numbers.expected(location, variance, missing), self.log_p.exp()

    @property
    def mean(self) -> Float[Tensor, "*SB F"]:
        """The mean of a number, the probability of a 1, the most probable of categories."""
        x = self.cells.row(*self.moments)
        bits = self.cells.num_binary
        x[..., self.cells.discrete[:bits]] = self.log_p[..., 1 : 2 * bits : 2].exp()
        return x

    @property
    def point(self) -> Float[Tensor, "*SB F"]:
        """The mean of a number, the most probable of categories, binary ones too."""
        return self.cells.row(*self.moments)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*SSB F"]:
        """Draws complete rows, numbers as fine as in the table; a category by Gumbel-max."""
        shape = (*sample_shape, *self.batch_shape)
        with torch.no_grad():
            noise = torch.randn_like(self.location.expand(*shape, -1))
            if self.matrix is not None:
                noise = noise @ torch.linalg.cholesky(self.matrix).T
            scores = self.log_p + categorical.gumbel((*shape, self.log_p.shape[-1]), self.log_p)
            return self.cells.natural_row(self.numbers.number(noise), scores)


class ColumnsLikelihood(Likelihood):
    r"""Observes the cells of a row: each column by the distribution of its kind.

    .. math:: \log p(x | h) = \sum_{f\,\text{observed}} \log p_f(x_f | h), \qquad
        p_f = \begin{cases}
            \mathcal{N}(\bar x_f + s_f m_f,\ s_f^2 (\epsilon + e^{l_f})^2) & \text{numeric} \\
            \sigma\big(\tfrac{u_b - m_f}{\epsilon + e^{l_f}}\big)
                - \sigma\big(\tfrac{u_a - m_f}{\epsilon + e^{l_f}}\big)
                & \text{a bin } (a, b] \text{ between quantiles} \\
            \mathrm{Bernoulli}(\sigma(h_f)) & \text{binary} \\
            \mathrm{Cat}(\mathrm{softmax}(h_f)) & \text{categorical}
        \end{cases}

    with :math:`\bar x_f` and :math:`s_f` the mean and scale of the training rows. The bins of
    a `QuantileColumn` are as dense everywhere. Numeric densities are in natural units. Numbers may
    be correlated given h: their normal scores :math:`\Phi^{-1}(F_f(x_f))` are then Gaussian
    together (a Gaussian copula), which leaves each by itself as it is. A missing cell (NaN) is
    left out, which is the integral over it: where cells are missing at random, bounds on log p of
    the observed ones are as valid.

    Arguments:
        columns: Those of the table, or what their `config` gave.
        least_scale: ε > 0, in units of :math:`s_f`: bounds the density, which would else grow
            without end over values that repeat.
        event_dims: 1, a row.
        correlated: Whether numbers are correlated given h, by a matrix that `correlate` sets or
            that is loaded.

    Raises:
        ValueError: If a column does not fit its kind, `least_scale` is not positive, or
            `event_dims` is not 1.

    References: Nazábal, Olmos, Ghahramani & Valera, Handling incomplete heterogeneous data using
        VAEs, 2020, eq. 1-3; McCullagh, Regression models for ordinal data, 1980 (bins); Song,
        Multivariate dispersion models generated from Gaussian copula, 2000 (correlation).

    Example:
        >>> from discretevae.schema.columns import BinaryColumn, NumericColumn
        >>> age, smoker = NumericColumn("age", 40.0, 10.0), BinaryColumn("smoker", ("no", "yes"))
        >>> p = ColumnsLikelihood([age, smoker])
        >>> p.output_shape((2,))
        (3,)
        >>> p(torch.zeros(3)).log_prob(torch.tensor([[torch.nan, 1.0], [torch.nan, torch.nan]]))
        tensor([-0.6931,  0.0000])
    """

    name: ClassVar[str] = "columns"
    unit: ClassVar[str] = "cell"

    def __init__(
        self,
        columns: Sequence[Column | Mapping[str, Any]],
        least_scale: float = 0.05,
        event_dims: int = 1,
        correlated: bool = False,
    ) -> None:
        super().__init__(event_dims)
        if event_dims != 1:
            raise ValueError(f"`event_dims` must be 1 for the rows of a table, got {event_dims}.")
        if not (math.isfinite(least_scale) and least_scale > 0):
            raise ValueError(f"`least_scale` must be a positive number, got {least_scale}.")
        self.columns, self.least_scale = as_columns(columns), float(least_scale)
        self.cells = Cells(self.columns)
        self.correlation: Tensor | None
        eye = torch.eye(self.cells.num_numeric) if correlated else None
        self.register_buffer("correlation", eye)

    def correlate(self, matrix: Float[Tensor, "N N"] | None) -> None:
        """Lets the normal scores of numbers be correlated, given h, or independent again."""
        self.correlation = matrix if matrix is None else matrix.to(self.cells.scale)

    def forward(self, h: Float[Tensor, "*B P"]) -> ColumnsDistribution:
        return ColumnsDistribution(self.cells, h, self.least_scale, self.correlation)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if tuple(shape) != (len(self.columns),):
            raise ValueError(
                f"`shape` must be ({len(self.columns)},) for as many columns, got {tuple(shape)}."
            )
        return (2 * self.cells.num_numeric + self.cells.num_binary + sum(self.cells.sizes),)

    def start(self, x: Float[Tensor, "N F"]) -> Float[Tensor, " P"]:
        numbers, one_hot = self.cells.places(x), self.cells.one_hot(x)
        there = self.cells.observed(x).sum(0).clamp_min(1)
        mean = numbers.sum(0) / there
        deviation = (numbers - mean).where(self.cells.observed(x), 0).square().sum(0) / there
        scale, by_rank = deviation.sqrt() / self.cells.unit, self.cells.quantiles.by_rank
        mean, scale = mean.masked_fill(by_rank, 0), scale.masked_fill(by_rank, 1)
        above = (scale - self.least_scale).clamp_min(SMALL * self.least_scale)
        counts = one_hot.sum(0) + 0.5
        bits = 2 * self.cells.num_binary
        logits = counts.log()
        return torch.cat([mean, above.log(), logits[1:bits:2] - logits[:bits:2], logits[bits:]])

    def point(self, p: Distribution) -> Float[Tensor, "*B F"]:
        assert isinstance(p, ColumnsDistribution)
        return p.point

    def dimensions(self, x: Float[Tensor, "*B F"]) -> Int64[Tensor, "*B"]:
        """Counts the cells of each row that are there."""
        return (~x.isnan()).sum(-1)

    @property
    def table(self) -> Cells:
        return self.cells

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def written(self, x: Float[Tensor, "N F"]) -> list[list[Cell]]:
        return table_rows(x.float(), self.columns)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "columns": [column.config() for column in self.columns],
            "least_scale": self.least_scale,
            **({} if self.correlation is None else {"correlated": True}),
        }

    def learned(self, x: Float[Tensor, "N F"], least: int = 0) -> Learned:
        pairs = list(zip(self.columns, x.unbind(-1), strict=True))
        kept = [column.without_rare(cells, least) for column, cells in pairs]
        before, after = ([v for c in columns for v in c.values] for columns in (self.columns, kept))
        left_out = sum(a != b for a, b in zip(before, after, strict=True))
        says = (
            f"the names of the columns ({', '.join(c.name for c in kept)}), the names of "
            f"{len(after) - left_out:,} categories, and mean, scale "
            f"and quantiles of {self.cells.num_numeric} columns of numbers, as the training rows "
            "have them"
        )
        config = {**self.config(), "columns": [column.config() for column in kept]}
        return Learned(config, says, left_out)

    def log_prob_pairs(
        self, h: Float[Tensor, "S P"], x: Float[Tensor, "*B F"]
    ) -> Float[Tensor, "S *B"]:
        batch, x = x.shape[:-1], x.reshape(-1, x.shape[-1])
        if self.correlation is None:
            pairs = self._independent_pairs(self(h), x)
        else:
            at_once = max(1, PAIRS // max(1, len(x) * self.cells.num_numeric))
            parts = (self(part[:, None]).log_prob(x) for part in h.split(at_once))
            pairs = torch.cat(list(parts))
        return pairs.reshape(-1, *batch)

    def _independent_pairs(
        self, p: ColumnsDistribution, x: Float[Tensor, "B F"]
    ) -> Float[Tensor, "S B"]:
        constant = self.cells.observed(x).to(x.dtype) @ self.cells.scale.log()
        return p.log_p @ self.cells.one_hot(x).T + p.numbers.log_prob_pairs(x) - constant

    def check(self, x: Tensor) -> None:
        if x.shape[-1:] != (len(self.columns),):
            raise ValueError(
                f"`x` must end in {len(self.columns)} columns, got shape {tuple(x.shape)}."
            )
        for column, values in zip(self.columns, x.unbind(-1), strict=True):
            bad, needed = values.isinf(), "finite, or NaN where it is missing"
            if isinstance(column, DiscreteColumn):
                count = len(column.categories)
                bad = ~((values >= 0) & (values < count) & (values == values.floor()))
                bad &= ~values.isnan()
                needed = f"a category of 0 … {count - 1}, or NaN where it is missing"
            if bool(bad.any()):
                raise ValueError(
                    f"`x` must be {needed}, in column '{column.name}', "
                    f"got {float(values[bad][0]):.4g}."
                )
