"""A true bound on log p(x) of a sparse autoencoder, its amplitudes integrated out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support

__all__ = ["AmplitudePrior", "fit_prior_of", "gaussian_log_density", "log_p_given_support"]

AT_ONCE = 2**22
"""Numbers of decoder rows that are gathered together."""
PSEUDO = 1.0
"""Rows' worth of the mean of all latents that each latent's amplitude has beside its own."""
ITERATIONS = 10
LEAST = 1e-12
RIDGE = 1e-6
"""Of the mean variance of the activations, that is added to covariances: none is singular."""


@dataclass(frozen=True, eq=False)
class AmplitudePrior:
    r"""What makes a generative model of an autoencoder's decoder.

    .. math:: p(s) = \prod_j \pi_j^{s_j} (1 - \pi_j)^{1 - s_j}, \qquad
        a_s \sim \mathcal{N}(\mu_s, \Lambda_s), \qquad
        x | a, s \sim \mathcal{N}(b + a_s W_s, \Sigma)

    with any covariance Σ of what the code leaves over: with no latent active it is one Gaussian.
    Since :math:`p(x) \geq p(x, s)` for any support s, also for the one that the encoder chooses,

    .. math:: \log p(x) \geq \log p(s(x)) + \log p(x | s(x))

    is a true bound whatever the encoder does, while a point for the amplitudes would give none. Of
    a transcoder, whose support is of x, log p(y | s(x)) is exact.

    Arguments:
        rates: π of each latent, in (0, 1).
        mean: μ.
        variance: Λ, positive.
        offset: b.
        noise: Σ, positive definite.
    """

    rates: Float[Tensor, " m"]
    mean: Float[Tensor, " m"]
    variance: Float[Tensor, " m"]
    offset: Float[Tensor, " d"]
    noise: Float[Tensor, "d d"]

    def log_p_of_support(self, support: Support) -> Float[Tensor, " B"]:
        """Gives log p(s) in nats."""
        odds = (self.rates / (1 - self.rates)).log()
        none = torch.log1p(-self.rates).sum()
        found = none.expand(len(support)).clone()
        return found.index_add_(0, support.rows, odds[support.latents])

    def log_bound(
        self,
        model: SparseAutoencoder,
        x: Float[Tensor, "B d"],
        y: Float[Tensor, "B e"] | None = None,
    ) -> Float[Tensor, " B"]:
        """Gives a lower bound on log p(x) in nats; of a transcoder, log p(y|x) itself."""
        support = model.active(x).support
        target = x if y is None else y
        given = log_p_given_support(model, target, support, self)
        return given if model.transcodes else given + self.log_p_of_support(support)


class _Part(NamedTuple):
    """Some rows, their supports filled up to one size with directions that are 0."""

    rows: Int64[Tensor, " b"]
    latents: Int64[Tensor, "b k"]
    real: Bool[Tensor, "b k"]
    directions: Float[Tensor, "b k d"]


def _parts(weight: Float[Tensor, "m d"], support: Support) -> Iterator[_Part]:
    counts = support.counts
    largest = max(1, int(counts.max()) if len(counts) else 1)
    size = max(1, AT_ONCE // (largest * weight.shape[1]))
    for rows in counts.argsort(stable=True).split(size):  # those of about one size together
        most = max(1, int(counts[rows].max()) if len(rows) else 1)
        places = support.offsets[:-1][rows, None] + torch.arange(most)
        real = torch.arange(most) < counts[rows, None]
        at = places.clamp(max=max(len(support.latents) - 1, 0))
        none = torch.zeros_like(at)
        latents = support.latents[at] * real if len(support.latents) else none
        yield _Part(rows, latents, real, weight[latents] * real[..., None])


class _White(NamedTuple):
    """Rows and directions by whose units the noise is N(0, I)."""

    root: Float[Tensor, "d d"]
    rows: Float[Tensor, "B d"]
    weight: Float[Tensor, "m d"]


def _whitened(model: SparseAutoencoder, x: Float[Tensor, "B d"], prior: AmplitudePrior) -> _White:
    root = torch.linalg.cholesky(prior.noise)
    centred = x.double() - prior.offset
    both = torch.cat([centred, model.W_dec.detach().double()])
    white = torch.linalg.solve_triangular(root, both.T, upper=False).T
    return _White(root, white[: len(x)], white[len(x) :])


class _Posterior(NamedTuple):
    """What is known of amplitudes once x is seen: a Gaussian, and log p(x|s) but for log|Σ|/2."""

    log_p: Float[Tensor, " b"]
    mean: Float[Tensor, "b k"]
    root: Float[Tensor, "b k k"]
    """The Cholesky factor of its precision."""


def _posterior(part: _Part, white: Float[Tensor, "b d"], prior: AmplitudePrior) -> _Posterior:
    d = white.shape[1]
    mean = prior.mean[part.latents] * part.real
    variance = torch.where(part.real, prior.variance[part.latents], 1.0)
    rest = white - torch.einsum("bk,bkd->bd", mean, part.directions)
    precision = torch.diag_embed(1 / variance) + part.directions @ part.directions.mT
    root = torch.linalg.cholesky(precision)
    seen = torch.einsum("bkd,bd->bk", part.directions, rest)
    moved = torch.cholesky_solve(seen[..., None], root)[..., 0]
    square = rest.square().sum(1) - (seen * moved).sum(1)
    logdet = variance.log().sum(1) + 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(1)
    log_p = -0.5 * (d * math.log(2 * math.pi) + logdet + square)
    return _Posterior(log_p, mean + moved, root)


@torch.no_grad()
def log_p_given_support(
    model: SparseAutoencoder, x: Float[Tensor, "B d"], support: Support, prior: AmplitudePrior
) -> Float[Tensor, " B"]:
    r"""Gives log p(x|s), the amplitudes integrated out.

    .. math:: x | s \sim \mathcal{N}\big(b + \mu_s W_s,
        \Sigma + W_s^\top \Lambda_s W_s\big)

    by a Cholesky factor of :math:`\Lambda_s^{-1} + W_s \Sigma^{-1} W_s^\top`, k × k.

    Arguments:
        model: Whose decoder is meant.
        x: Activations.
        support: s of each.
        prior: Of the amplitudes.

    Returns:
        Nats, in float64.
    """
    white = _whitened(model, x, prior)
    found = white.rows.new_zeros(len(support))
    for part in _parts(white.weight, support):
        found[part.rows] = _posterior(part, white.rows[part.rows], prior).log_p
    return found - white.root.diagonal().log().sum()


@torch.no_grad()
def fit_prior_of(
    model: SparseAutoencoder,
    x: Float[Tensor, "N d"],
    y: Float[Tensor, "N e"] | None = None,
    iterations: int = ITERATIONS,
) -> AmplitudePrior:
    r"""Fits rates by counting, amplitudes, offset and noise by expectation maximisation.

    .. math:: \Sigma \leftarrow \frac{1}{N} \sum_i e_i e_i^\top + W_{s_i}^\top C_i W_{s_i},
        \qquad e_i = x_i - b - E[a_i | x_i] W_{s_i}

    with the posterior covariance C of the amplitudes, of which the last sum takes one draw a row:
    in time that does not grow with k d².

    Arguments:
        model: In evaluation mode.
        x: Activations other than those that are reported on; some times as many as their numbers.
        y: What a transcoder takes them to.
        iterations: Of which each raises the likelihood, but for the draws, and the little that
            draws rare latents towards the mean of all.

    Example:
        >>> from discretevae.sparse.topk import TopKAutoencoder
        >>> model = TopKAutoencoder(dim=4, width=8, k=2).eval()
        >>> prior = fit_prior_of(model, torch.randn(100, 4))
        >>> prior.log_bound(model, torch.randn(5, 4)).shape
        torch.Size([5])
    """
    a, support = model.active(x)
    target = (x if y is None else y).double()
    times = support.times.double()
    rates = (times + 0.5) / (len(x) + 1)
    error = target - model(x).double()
    prior = AmplitudePrior(
        rates,
        *_pooled(times, *_summed(support, a.double(), a.double().square())),
        offset=model.b_dec.detach().double() + error.mean(0),
        noise=_covariance(error - error.mean(0), ridge := _ridge(target)),
    )
    for step in range(iterations):
        draws = torch.Generator().manual_seed(step)
        prior = _better(model, target, support, times, prior, draws, ridge)
    return prior


def _ridge(rows: Float[Tensor, "N d"]) -> float:
    return max(RIDGE * float((rows - rows.mean(0)).square().mean()), LEAST)


def _covariance(rows: Float[Tensor, "N d"], ridge: float) -> Float[Tensor, "d d"]:
    """That of rows whose mean is 0, a little rounder than it is."""
    found = rows.T @ rows / len(rows)
    found.diagonal().add_(ridge)
    return found


def _summed(support: Support, *values: Tensor) -> list[Tensor]:
    zeros = values[0].new_zeros(support.width)
    return [zeros.index_add(0, support.latents, value) for value in values]


def _pooled(times: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Means and variances of latents, with a row's worth of that of all."""
    total = times.sum().clamp_min(1.0)
    mean_of_all = first.sum() / total
    mean = (first + PSEUDO * mean_of_all) / (times + PSEUDO)
    spread = second - 2 * mean * first + mean.square() * times
    of_all = (spread.sum() / total).clamp_min(LEAST)
    return mean, (spread + PSEUDO * of_all) / (times + PSEUDO)


def _better(
    model: SparseAutoencoder,
    target: Tensor,
    support: Support,
    times: Tensor,
    prior: AmplitudePrior,
    draws: torch.Generator,
    ridge: float,
) -> AmplitudePrior:
    """One iteration."""
    first, second = torch.zeros_like(prior.mean), torch.zeros_like(prior.mean)
    white = _whitened(model, target, prior)
    rest, spread = torch.zeros_like(white.rows), torch.zeros_like(white.rows)
    for part in _parts(white.weight, support):
        found = _posterior(part, white.rows[part.rows], prior)
        real, latents = part.real, part.latents
        a = found.mean * real
        variance = torch.cholesky_inverse(found.root).diagonal(dim1=-2, dim2=-1)
        moment = (found.mean.square() + variance) * real
        first.index_add_(0, latents.flatten(), a.flatten())
        second.index_add_(0, latents.flatten(), moment.flatten())
        rest[part.rows] = white.rows[part.rows] - torch.einsum("bk,bkd->bd", a, part.directions)
        signs = 2.0 * torch.randint(2, (*a.shape, 1), generator=draws).double() - 1
        away = torch.linalg.solve_triangular(found.root.mT, signs, upper=True)[..., 0]
        spread[part.rows] = torch.einsum("bk,bkd->bd", away, part.directions)
    rest, spread = rest @ white.root.T, spread @ white.root.T
    both = torch.cat([rest - rest.mean(0), spread])
    noise = _covariance(math.sqrt(2) * both, ridge)  # a mean over N, not 2 N
    mean, variance = _pooled(times, first, second)
    return replace(
        prior, mean=mean, variance=variance, offset=prior.offset + rest.mean(0), noise=noise
    )


@torch.no_grad()
def gaussian_log_density(
    x: Float[Tensor, "B d"], fitted_to: Float[Tensor, "N d"]
) -> Float[Tensor, " B"]:
    """Gives the log-density of one Gaussian with a full covariance, to compare a bound with.

    Example:
        >>> x = torch.randn(1000, 2)
        >>> bool(gaussian_log_density(x, x).mean() < -2)
        True
    """
    rows = fitted_to.double()
    mean = rows.mean(0)
    root = torch.linalg.cholesky(_covariance(rows - mean, _ridge(rows)))
    z = torch.linalg.solve_triangular(root, (x.double() - mean).T, upper=False)
    logdet = 2 * root.diagonal().log().sum()
    return -0.5 * (len(mean) * math.log(2 * math.pi) + logdet + z.square().sum(0))
