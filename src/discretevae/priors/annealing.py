"""log Z of a Boltzmann machine from both sides, by annealing there and back."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from discretevae.latents import categorical
from discretevae.priors.bipartite import BipartiteMachine
from discretevae.priors.log_partition import LogPartition

__all__ = ["Forward", "anneal", "known_codes", "log_mean_exp", "sandwich"]

CLIMBS = 512
"""Starts of the search for the codes of most mass."""
KNOWN = 4096
"""The most codes of B that are summed over beside the chains."""
VISITS = 10
"""Chains that a known part must be owed before their absence says that they missed it."""
SWEEPS = 100
"""Gibbs sweeps from where the reverse chains are set down to where they begin."""
BASINS, REPEATS = 16, 8
"""Single codes from which the reverse chains start, and how many each."""


def anneal(
    machine: BipartiteMachine,
    b: Float[Tensor, "S B K"],
    betas: Sequence[float],
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, " S"], Float[Tensor, "S B K"]]:
    r"""Moves chains along a path of β, and adds up what their log-weight changes by.

    .. math:: \log w = \sum_t F_{\beta_t}(b_{t - 1}) - F_{\beta_{t - 1}}(b_{t - 1}), \qquad
        b_t \sim T_{\beta_t}(\cdot | b_{t - 1})

    with :math:`F_\beta` the log of the sum of f_β over a, and T a Gibbs sweep, which is
    reversible. From 0 to 1, E w = Z / Z₀ for starts under f₀; from 1 to 0, E w = Z₀ / Z for starts
    under f₁. That is exact however few the β.

    Reference: Neal, Annealed importance sampling, 2001.

    Example:
        >>> machine = BipartiteMachine(torch.zeros(3, 2), torch.zeros(2, 2), torch.ones(3, 2, 2, 2))
        >>> log_w, _ = anneal(machine, machine.sample_uncoupled(5), [0.0, 1.0])
        >>> log_w  # log Z grows by 6
        tensor([6., 6., 6., 6., 6.], dtype=torch.float64)
    """
    log_w = torch.zeros(len(b), dtype=torch.float64, device=b.device)
    for before, after in pairwise(betas):
        field = machine.field_on_a(b)
        old, new = (machine.bias_a + beta * field for beta in (before, after))
        log_w += (new.logsumexp(-1) - old.logsumexp(-1)).sum(-1)
        a = categorical.sample(new, 1, generator)[0]
        b = categorical.sample(machine.bias_b + after * machine.field_on_b(a), 1, generator)[0]
    return log_w, b


def log_mean_exp(log_w: Float[Tensor, "*N C"]) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N"]]:
    """Gives the log of a mean over the last dimension and its standard error (delta method).

    Example:
        >>> log_mean_exp(torch.tensor([0.0, math.log(3.0)]))  # log 2, and 1 / 2
        (tensor(0.6931), tensor(0.5000))
    """
    count = log_w.shape[-1]
    w = (log_w - log_w.amax(-1, keepdim=True)).exp()
    return log_w.logsumexp(-1) - math.log(count), w.std(-1) / w.mean(-1) / count**0.5


def known_codes(
    machine: BipartiteMachine,
    starts: Float[Tensor, "S B K"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "M B K"]:
    """Searches for the codes of B of most mass: distinct, the most probable first.

    From `starts` and from draws without coupling all climb to a mode; to the best of these, all
    that differ from it in one latent are added.

    Example:
        >>> machine = BipartiteMachine(torch.zeros(3, 2), torch.zeros(2, 2), torch.ones(3, 2, 2, 2))
        >>> len(known_codes(machine, machine.sample_uncoupled(1)))  # all alike: one, its two next
        3
    """
    (of_b, categories), flat = machine.bias_b.shape, torch.zeros_like(machine.bias_b)
    anywhere = categorical.sample(flat, CLIMBS // 2, generator)
    likely = machine.sample_uncoupled(CLIMBS // 2, generator)
    modes = _by_mass(machine, machine.climb(torch.cat([starts, anywhere, likely])))
    kept = modes[: max(1, KNOWN // (of_b * categories))].argmax(-1)
    changed = kept[:, None, None].repeat(1, of_b, categories, 1)
    latents = torch.arange(of_b, device=kept.device)
    changed[:, latents, :, latents] = torch.arange(categories, device=kept.device)[None, None]
    one_hot = torch.eye(categories, dtype=modes.dtype, device=modes.device)
    return _by_mass(machine, torch.cat([modes, one_hot[changed.flatten(0, 2)]]))[:KNOWN]


def _by_mass(machine: BipartiteMachine, b: Float[Tensor, "S B K"]) -> Float[Tensor, "M B K"]:
    codes = b.argmax(-1).unique(dim=0)
    b = torch.eye(b.shape[-1], dtype=b.dtype, device=b.device)[codes]
    return b[machine.log_marginal(b).argsort(descending=True, stable=True)]


class Forward:
    r"""log Z from below: by annealing alone, or beside a sum over known codes.

    .. math:: \hat Z = \frac{Z_0}{C} \sum_c w_c \quad \text{or} \quad
        \hat Z = \sum_{b \in S} e^{F(b)} + \frac{Z_0}{C} \sum_c w_c [b_c \notin S]

    E Ẑ = Z of both, whatever the set S, if it does not depend on the chains; hence
    E log Ẑ ≤ log Z. A code with nearly all the mass is found by a search far sooner than by an
    annealed chain: where the chains' share of S is three standard errors too small, or the second
    has the smaller error, it is taken; the choice can move the mean by a part of that error. Its
    error is 0 where every chain ends among S: then Ẑ lies below Z for certain.

    Arguments:
        machine: Whose log Z.
        known: S, one by one.
        chains: C ≥ 2.
        temperatures: Steps of β from 0 to 1.
        generator: Of the draws.

    Reference: Salakhutdinov & Murray, On the quantitative analysis of deep belief networks, 2008.

    Example:
        >>> machine = BipartiteMachine(*torch.zeros(2, 9, 2), torch.zeros(9, 2, 9, 2))
        >>> forward = Forward(machine, machine.sample_uncoupled(1), 10, 5)
        >>> round(float(forward.log_z) / 18, 4)
        0.6931
    """

    def __init__(
        self,
        machine: BipartiteMachine,
        known: Float[Tensor, "M B K"],
        chains: int,
        temperatures: int,
        generator: torch.Generator | None = None,
    ) -> None:
        log_z0 = machine.log_sum_uncoupled().double()
        first = machine.sample_uncoupled(chains, generator)
        log_w, last = anneal(machine, first, _path(temperatures), generator)
        masses = machine.log_marginal(known).double() - log_z0
        plain, plain_se = log_mean_exp(log_w)
        share, share_se = log_mean_exp(log_w.masked_fill(~_is_among(last, known), -math.inf))
        log_w = log_w.masked_fill(_is_among(last, known), -math.inf)
        summed, summed_se = log_mean_exp(torch.logaddexp(masses.logsumexp(0), log_w))
        off = (masses.logsumexp(0) - share).expm1() > 3 * share_se.nan_to_num()  # no chain: NaN
        expected = chains * (masses.logsumexp(0) - plain).exp()
        take_sum = (off & (expected > VISITS)) | (summed_se < plain_se)
        ratio, self.se = (summed, summed_se) if take_sum else (plain, plain_se)
        self.log_z = log_z0 + ratio
        self._codes = torch.cat([known, last])
        self._log_mass = torch.cat([masses, log_w - math.log(chains)])

    def resample(
        self, count: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "count B K"]:
        """Draws codes of B by their share of Ẑ: of p, but for the error of Ẑ."""
        p = self._log_mass.softmax(0)
        return self._codes[p.multinomial(count, replacement=True, generator=generator)]


def sandwich(
    machine: BipartiteMachine,
    starts: Float[Tensor, "S B K"],
    chains: int,
    temperatures: int,
    generator: torch.Generator | None = None,
) -> LogPartition:
    r"""Estimates log Z from below by annealing from β = 0 to 1, from above by that from 1 to 0.

    .. math:: \mathbb{E} \log \hat Z \le \log Z, \qquad
        \mathbb{E} \Big[ \log Z_0 - \log \frac1C \sum_c w_c \Big] \ge \log Z

    The second holds where the chains start at independent samples of p, and so does Markov's
    P(below log Z by more than t) ≤ e^{−t}. The starts here are such as far as the first estimate
    is right: they are drawn by its weights, and move 100 sweeps under p. As a check, others start
    from single codes, the best that were found and some of `starts`. From one in a region whose
    mass grew on the way to β = 1 the result is above log Z, and among regions that share all the
    mass one such must be; `upper` is raised to the highest, less three standard errors. A region
    that none of these starts is in stays unseen, on both sides.

    Arguments:
        machine: Whose log Z.
        starts: Codes of B where mass is expected: of chains that have run long, say.
        chains: C ≥ 2 of each of both.
        temperatures: Steps of β.
        generator: Of the draws.

    Reference: Burda, Grosse & Salakhutdinov, Accurate and conservative estimates of MRF
    log-likelihood using reverse annealing, 2015; Grosse, Ghahramani & Adams, Sandwiching the
    marginal likelihood using bidirectional Monte Carlo, 2015.

    Example:
        >>> machine = BipartiteMachine(*torch.zeros(2, 9, 2), torch.zeros(9, 2, 9, 2))
        >>> estimate = sandwich(machine, machine.sample_uncoupled(2), 10, 5)
        >>> round(estimate.lower / 18, 4), round(estimate.upper / 18, 4)
        (0.6931, 0.6931)
    """
    known = known_codes(machine, starts, generator)
    forward = Forward(machine, known, chains, temperatures, generator)
    single = torch.cat([known[: BASINS // 2], starts[: BASINS // 2]])
    b = torch.cat([forward.resample(chains, generator), single.repeat_interleave(REPEATS, 0)])
    for _ in range(SWEEPS):
        _, b = machine.sweep(b, generator)
    log_w, _ = anneal(machine, b, _path(temperatures)[::-1], generator)
    log_z0 = machine.log_sum_uncoupled().double()
    ratio, se = log_mean_exp(log_w[:chains])
    of_single, of_single_se = log_mean_exp(log_w[chains:].view(-1, REPEATS))
    highest = (-of_single - 3 * of_single_se).max()
    upper = log_z0 + torch.maximum(-ratio, highest)
    lower = float(forward.log_z)
    return LogPartition(lower, max(lower, float(upper)), float(forward.se), float(se))


def _path(temperatures: int) -> list[float]:
    return torch.linspace(0, 1, temperatures + 1).tolist()


def _is_among(b: Float[Tensor, "S B K"], known: Float[Tensor, "M B K"]) -> Bool[Tensor, " S"]:
    codes = torch.cat([known, b]).argmax(-1)
    _, number = codes.unique(dim=0, return_inverse=True)
    return torch.isin(number[len(known) :], number[: len(known)])
