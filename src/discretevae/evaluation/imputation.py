"""Missing cells of a table filled in, and how surprising the observed ones are."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.likelihoods.columns import ColumnsDistribution
from discretevae.models import VAE
from discretevae.schema.columns import Cells

__all__ = ["AnomalyScores", "anomaly_scores", "impute"]

SAMPLES = 1000
"""Codes drawn for each row where they are too many to enumerate."""
ROWS = 2**10
"""Rows of the table that are looked at together."""
NEGLIGIBLE = 25.0
"""Nats by which the weight of a code is so small that what it says does not count."""
PAIRS = 2**16
"""Pairs of a code and a row that are looked at together."""


@torch.no_grad()
def impute(
    model: VAE,
    x: Float[Tensor, "*B F"],
    samples: int | None = None,
    generator: torch.Generator | None = None,
    context: Tensor | None = None,
) -> Float[Tensor, "*B F"]:
    r"""Fills the missing cells (NaN) of rows; the others come back as they are, bit for bit.

    .. math:: p(x_\text{miss} | x_\text{obs}) = \sum_z p(z | x_\text{obs})\, p(x_\text{miss} | z)
        \approx \sum_s \frac{w_s}{\sum_t w_t}\, p(x_\text{miss} | z_s), \qquad
        w_s = \frac{p(x_\text{obs}, z_s)}{q(z_s | x_\text{obs})}

    A number becomes the mean of this distribution, which has the least expected squared error; a
    binary or categorical cell its most probable value, which is the least often wrong.

    Arguments:
        model: Of the columns of a table, in any mode.
        x: Rows, NaN where a cell is missing.
        samples: S ≥ 1, whose estimate is biased by O(1/S); by default exact for a `DiscreteVAE`
            of up to 65,536 codes, else 1000.
        generator: Of the samples.
        context: Of a conditional model.

    Raises:
        ValueError: If the model is of no table, `x` lies outside the support of its likelihood,
            or `samples` < 1.

    Reference: Mattei & Frellsen, MIWAE: Deep generative modelling and imputation of incomplete
        data sets, 2019, eq. 11.

    Example:
        >>> from discretevae.likelihoods import ColumnsLikelihood
        >>> from discretevae.schema.columns import BinaryColumn, NumericColumn
        >>> from discretevae.networks.columns import ColumnsNetwork
        >>> columns = NumericColumn("age", 40.0, 10.0), BinaryColumn("smoker", ("no", "yes"))
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((2,), 2, 3, ColumnsNetwork(columns), ColumnsLikelihood(columns))
        >>> impute(model, torch.tensor([[50.0, torch.nan], [30.0, 1.0]])).isnan().any()
        tensor(False)
    """
    cells = _cells_of(model, x, samples)
    rows = x.reshape(-1, x.shape[-1]).clone()
    for part in rows.isnan().any(-1).nonzero()[:, 0].split(ROWS):
        some = rows[part]
        log_p = some.new_full((len(some),), -math.inf)
        numbers, probabilities = some.new_zeros(()), some.new_zeros(())
        for p, log_w in _weighted(model, some, samples, generator, _taken(model, context, part)):
            before, log_p = log_p, torch.logaddexp(log_p, log_w.logsumexp(0))
            kept, weights = (before - log_p).exp()[:, None], (log_w - log_p).exp()
            given = p.moments_given(some, log_w > log_p - NEGLIGIBLE)
            moments = (value.flatten(0, -3) for value in given)
            means, chances = (torch.einsum("sb,sbm->bm", weights, value) for value in moments)
            numbers, probabilities = kept * numbers + means, kept * probabilities + chances
        rows[part] = some.where(~some.isnan(), cells.row(numbers, probabilities))
    return rows.reshape(x.shape)


@dataclass(frozen=True, eq=False)
class AnomalyScores:
    """How surprising rows and their cells are, in nats: the larger, the stranger.

    Densities of numbers are taken in units of their column's scale, so that no score depends on
    the units of the table, and those of different columns compare.

    Arguments:
        rows: −log p of all observed cells of a row together, (*B,). The fewer they are, the
            smaller it is: rows with gaps compare by their cells.
        cells: −log p of each cell given all others that are observed in its row, (*B, F); NaN
            where it is missing.
        log_p: log p of all observed cells of a row in the units of the table, (*B,): what
            `log_likelihood` says of it.
    """

    rows: Float[Tensor, "*B"]
    cells: Float[Tensor, "*B F"]
    log_p: Float[Tensor, "*B"]

    def __repr__(self) -> str:
        rows, cells = self.rows.numel(), self.cells.shape[-1]
        return f"<AnomalyScores of {rows:,} rows and their {cells} cells, in nats>"


@torch.no_grad()
def anomaly_scores(
    model: VAE,
    x: Float[Tensor, "*B F"],
    samples: int | None = None,
    generator: torch.Generator | None = None,
    context: Tensor | None = None,
) -> AnomalyScores:
    r"""Scores rows by −log p(x), and every cell by what the rest of its row says of it.

    .. math:: -\log p(x_f | x_{\setminus f})
        = \log \sum_z p(x, z) - \log \sum_z \frac{p(x, z)}{p(x_f | z)} \text{, times } -1

    The sums are over all codes where K^D allows, else over S codes of q(z|x), importance-weighted
    like :meth:`VAE.log_likelihood`: the score of a row is then too large on average, that
    of a cell too large or too small, both by less the larger S.

    Arguments:
        model: Of the columns of a table, in any mode.
        x: Rows, NaN where a cell is missing.
        samples: S ≥ 1; by default exact for a `DiscreteVAE` of up to 65,536 codes, else 1000.
        generator: Of the samples.
        context: Of a conditional model.

    Raises:
        ValueError: If the model is of no table, `x` lies outside the support of its likelihood,
            or `samples` < 1.

    Example:
        >>> from discretevae.likelihoods import ColumnsLikelihood
        >>> from discretevae.schema.columns import NumericColumn
        >>> from discretevae.networks.columns import ColumnsNetwork
        >>> columns = NumericColumn("age", 40.0, 10.0), NumericColumn("height", 1.7, 0.1)
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((2,), 2, 3, ColumnsNetwork(columns), ColumnsLikelihood(columns))
        >>> scores = anomaly_scores(model, torch.tensor([[40.0, 1.7], [40.0, 17.0]]))
        >>> scores.rows.argmax(), scores.cells.argmax()
        (tensor(1), tensor(3))
    """
    columns = _cells_of(model, x, samples)
    rows = x.reshape(-1, x.shape[-1])
    log_p, log_rest = rows.new_full(rows.shape[:1], -math.inf), torch.full_like(rows, -math.inf)
    for part in torch.arange(len(rows), device=x.device).split(ROWS):
        some, c = rows[part], _taken(model, context, part)
        for p, log_w in _weighted(model, some, samples, generator, c):
            log_p[part] = torch.logaddexp(log_p[part], log_w.logsumexp(0))
            of_cells = p.log_prob_of_columns(some).flatten(0, -3)
            without = (log_w[..., None] - of_cells).logsumexp(0)
            log_rest[part] = torch.logaddexp(log_rest[part], without)
    log_scale = torch.zeros_like(rows)
    log_scale[:, columns.numeric] = columns.scale.log()
    log_scale = log_scale.masked_fill(rows.isnan(), 0)
    cells = (log_rest - log_p[:, None] - log_scale).masked_fill(rows.isnan(), math.nan)
    batch = x.shape[:-1]
    strange = (-log_p - log_scale.sum(-1)).reshape(batch)
    return AnomalyScores(strange, cells.reshape(x.shape), log_p.reshape(batch))


def _cells_of(model: VAE, x: Tensor, samples: int | None) -> Cells:
    """How the rows of a model's table are read; refuses a model of anything else."""
    cells = model.likelihood.table
    if cells is None:
        raise ValueError(
            "`model` must be of the columns of a table, got a "
            f"{type(model).__name__} with the {model.likelihood.label} likelihood."
        )
    if samples is not None and samples < 1:
        raise ValueError(f"`samples` must be at least 1, got {samples}.")
    model.likelihood.check(x)
    return cells


def _taken(model: VAE, context: Tensor | None, index: Tensor) -> Tensor | None:
    """The contexts of some rows, out of any batch of them."""
    if context is None or model.context_shape is None:
        return context
    return context.reshape(-1, *model.context_shape)[index]


def _weighted(
    model: VAE,
    x: Float[Tensor, "B F"],
    samples: int | None,
    generator: torch.Generator | None,
    context: Tensor | None,
) -> Iterator[tuple[ColumnsDistribution, Float[Tensor, "S B"]]]:
    """Yields p(x|z) of some codes and log p(x, z) of each; these sum to p(x), or estimate it."""
    chunk = max(1, PAIRS // max(1, len(x)))
    with _evaluating(model):
        for p, log_w in model.weighted(x, samples, chunk, generator, context):
            assert isinstance(p, ColumnsDistribution)
            yield p, log_w


@contextmanager
def _evaluating(model: VAE) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
