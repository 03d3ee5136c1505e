"""The correlation of numbers given the code, fitted to what a trained model leaves over."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from discretevae.data import Splits
from discretevae.data.seeding import generator
from discretevae.likelihoods import ColumnsLikelihood
from discretevae.likelihoods.columns import ColumnsDistribution
from discretevae.likelihoods.correlation import Correlation
from discretevae.models import VAE
from discretevae.training.prior import validation_bound

__all__ = ["correlate", "fit_correlation"]

ROWS = 2**13
"""Training rows that are looked at."""
ROUNDS = 20
"""Of expectation and maximisation, where cells are missing; one does where none is."""
DRAWS = 3
"""Codes of each of them."""
PRIORS = (0.1, 1.0, 10.0)
"""Rows, for each column, in which numbers count as independent."""


def correlate(model: VAE, data: Splits, seed: int = 0) -> bool:
    """Lets the numbers of a table be correlated given the code, where that raises the bound.

    Encoder, decoder and prior stay as they are. Fitted afterwards, the correlation takes nothing
    from the code: it has what the code left over.

    Arguments:
        model: That has been trained.
        data: On what; the correlation stays if the ELBO of the validation rows rises, or there
            are none.
        seed: Of the draws.

    Returns:
        Whether it stayed.

    Example:
        >>> import pandas
        >>> from discretevae.data import load
        >>> from discretevae.models import DiscreteVAE
        >>> from discretevae.networks import ColumnsNetwork
        >>> a = torch.randn(500, generator=torch.Generator().manual_seed(0))
        >>> data = load(pandas.DataFrame({"a": a, "b": -a}), likelihood="columns", test=0)
        >>> columns = data.likelihood["columns"]
        >>> model = DiscreteVAE((2,), 1, 2, ColumnsNetwork(columns), ColumnsLikelihood(columns))
        >>> correlate(model, data), bool(model.likelihood.correlation[0, 1] < -0.9)
        (True, True)
    """
    likelihood, table = model.likelihood, model.likelihood.table
    if table is None or table.num_numeric < 2:
        return False
    assert isinstance(likelihood, ColumnsLikelihood)
    likelihood.correlate(None)
    best, bound = None, validation_bound(model, data, seed)
    e, observed = _scores_left(model, data, seed)
    for prior in PRIORS:
        matrix = fit_correlation(e, observed, prior * table.num_numeric)
        likelihood.correlate(matrix)
        if (found := validation_bound(model, data, seed)) >= bound:
            best, bound = matrix, found
    likelihood.correlate(best)
    return best is not None


def fit_correlation(
    e: Float[Tensor, "n N"], observed: Bool[Tensor, "n N"], prior: float, rounds: int = ROUNDS
) -> Float[Tensor, "N N"]:
    r"""Estimates the correlation of N variables, some of whose values are missing.

    .. math:: C \propto S + \frac{\nu}{n} \, \mathrm{diag}(S), \qquad
        S = \sum_i \mathbb{E}[e_i e_i^\top | e_{i,o}, C]

    by expectation and maximisation. The last term counts as ν rows in which the variables are
    independent, so that C is definite however few rows there are.

    Arguments:
        e: Of mean 0; anything where a value is missing.
        observed: Which are there.
        prior: ν > 0.
        rounds: Of expectation and maximisation.

    Reference: Dempster, Laird & Rubin, Maximum likelihood from incomplete data via the EM
        algorithm, 1977, section 4.1.

    Example:
        >>> e = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).repeat(500, 1)
        >>> fit_correlation(e, torch.ones_like(e, dtype=torch.bool), prior=2.0)
        tensor([[1.0000, 0.9980],
                [0.9980, 1.0000]])
    """
    n, size = e.shape
    e = e.double().where(observed, 0)
    matrix = torch.eye(size, dtype=e.dtype, device=e.device)
    for _ in range(1 if bool(observed.all()) else rounds):
        found = Correlation(matrix, observed)
        full = e.where(observed, found.given(e)[0])
        covariance = full.T @ full + found.missing_covariance()
        covariance = covariance + prior * (covariance.diagonal() / n).diag()
        scale = covariance.diagonal().rsqrt()
        matrix = scale[:, None] * covariance * scale
    return matrix.to(torch.get_default_dtype())


@torch.no_grad()
def _scores_left(model: VAE, data: Splits, seed: int) -> tuple[Tensor, Tensor]:
    """The normal scores of numbers given codes drawn for each row, and which are there."""
    draws = generator("correlation", seed, device=model.device)
    rows = data.train.take(slice(ROWS))
    x, context = rows.values().to(model.device, model.dtype), rows.context
    model.eval()
    found, cells = [], model.likelihood.table
    assert cells is not None
    for _ in range(DRAWS):
        p = model.decode(model.encode(x, True, draws, context), context)
        assert isinstance(p, ColumnsDistribution)
        found.append(p.numbers.normal(x))
    return torch.cat(found), cells.observed(x).repeat(DRAWS, 1)
