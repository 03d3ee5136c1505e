"""A prior that couples the latents of two sides: a restricted Boltzmann machine of K classes."""

import math
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.utils.checkpoint import checkpoint

from discretevae.latents import (
    DEFAULT_BUDGET,
    categorical,
    enumerate_codes,
    is_enumerable,
    require_enumerable,
    require_sizes,
    to_one_hot,
)
from discretevae.priors.base import Prior

__all__ = ["BoltzmannPrior"]

ELEMENTS = 2**21
"""Numbers in one chunk of a sum over one side; bounds its memory."""
SWEEPS = 1000
"""Gibbs sweeps to a sample where neither side can be summed over: half of them annealed."""


class BoltzmannPrior(Prior):
    r"""A Boltzmann machine between the first ⌈D/2⌉ latents, A, and the others, B; uniform at first.

    .. math:: \log p(z) = -E(z) - \log Z, \qquad
        -E(z) = \sum_d b_d \cdot z_d + \sum_{d \in A, e \in B} z_d^\top W_{de} z_e

    Given one side, the latents of the other are independent categoricals. At K = 2 this is the
    usual restricted Boltzmann machine, at K > 2 its Potts form.

    **Where the codes of B, K^⌊D/2⌋, fit the budget**, log Z and its gradient are exact sums over
    them, :math:`\log Z = \log \sum_{z_B} \exp(b_B \cdot z_B + \sum_{d \in A} \log \sum_k
    \exp(b_d + W_d z_B)_k)`; so are samples.

    **Elsewhere** log Z is estimated by annealed importance sampling. E Ẑ = Z, hence log Ẑ lies
    below log Z on average, and `log_prob` above log p(z): a bound on log p(x) then holds up to
    that error, of which `log_partition_se` is the standard error. In evaluation mode the estimate
    is made anew, from fixed draws, whenever the weights have changed. In training mode `log_prob`
    keeps the last one: its value is then of earlier weights, while its gradient,

    .. math:: \nabla \log p(z) = -\nabla E(z) + \mathbb{E}_p[\nabla E],

    has the mean under p from Gibbs chains that move `steps` sweeps each time it is asked for and
    never start anew (persistent contrastive divergence): biased as far as the chains lag behind
    the weights. Chains, the stream of their draws, and log Z are saved with the weights: training
    goes on where it stopped, and a loaded model has its log Z. `sample` takes 1000 sweeps, the
    first half from W = 0 to W.

    Arguments:
        num_latents: D.
        num_categories: K.
        chains: Of the persistent Gibbs sampling; where there is any.
        steps: Their sweeps for each gradient.
        budget: The most codes of B that are summed over.

    Raises:
        ValueError: If a size, or another number, is below 1.

    Reference: Smolensky, Information processing in dynamical systems, 1986; Tieleman, Training
    restricted Boltzmann machines using approximations to the likelihood gradient, 2008;
    Salakhutdinov & Murray, On the quantitative analysis of deep belief networks, 2008.

    Example:
        >>> prior = BoltzmannPrior(4, 8)
        >>> round(prior.log_prob_of_codes(torch.tensor([0, 1, 2, 3])).item(), 4)  # −4 log 8
        -8.3178
        >>> BoltzmannPrior(100, 2).sample(5).shape
        torch.Size([5, 100])
    """

    kind: ClassVar[str] = "boltzmann"

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        chains: int = 100,
        steps: int = 1,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        super().__init__()
        require_sizes(num_latents, num_categories)
        _require_positive(chains=chains, steps=steps, budget=budget)
        self.chains, self.steps, self.budget = chains, steps, budget
        self.of_a, self.of_b = num_latents - num_latents // 2, num_latents // 2
        self.bias = nn.Parameter(torch.zeros(num_latents, num_categories))
        self.weight = nn.Parameter(
            torch.zeros(self.of_a, num_categories, self.of_b, num_categories)
        )
        self.exact = is_enumerable(max(1, self.of_b), num_categories, budget)
        if not self.exact:
            self._register_estimate()

    def _register_estimate(self) -> None:
        """What stands in for the sum; all of it exact for the weights at first, which are 0."""
        num_latents, num_categories = self.shape
        self.chain_codes: Tensor
        self.chain_stream: Tensor
        self.log_partition: Tensor
        self.log_partition_se: Tensor
        self.log_partition_of: Tensor
        codes = torch.randint(num_categories, (self.chains, num_latents))
        self.register_buffer("chain_codes", codes)
        self.register_buffer("chain_stream", torch.randint(2**62, ()))
        log_z = torch.tensor(num_latents * math.log(num_categories))
        self.register_buffer("log_partition", log_z)
        self.register_buffer("log_partition_se", torch.zeros(()))
        self.register_buffer("log_partition_of", torch.zeros((), dtype=torch.int64))

    @property
    def shape(self) -> tuple[int, int]:
        return self.bias.shape[0], self.bias.shape[1]

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return self.negative_energy(z) - self._log_partition()

    def negative_energy(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB"]:
        """Gives −E(z), the log-probability but for log Z; also of relaxed codes."""
        a, b = z.split([self.of_a, self.of_b], -2)
        return (self.bias * z).sum((-2, -1)) + (a * self._field_on_a(b)).sum((-2, -1))

    def exact_log_partition(self, budget: int = DEFAULT_BUDGET) -> Float[Tensor, ""]:
        """Sums over the codes of B, with the graph to the weights.

        Raises:
            EnumerationError: If there are more than `budget`.
        """
        if self.of_b:
            require_enumerable(self.of_b, self.shape[1], budget)
        if len(chunks := self._chunks()) == 1:
            return self._log_marginals(*chunks[0]).logsumexp(0)
        parts = [checkpoint(self._log_marginals, *chunk, use_reentrant=False) for chunk in chunks]
        return torch.cat(parts).logsumexp(0)

    @torch.no_grad()
    def estimate_log_partition(
        self,
        chains: int = 128,
        temperatures: int = 1000,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        r"""Estimates log Z by annealed importance sampling, and keeps the estimate.

        .. math:: \log \hat Z = \log Z_0 + \log \frac1C \sum_c w_c, \qquad
            \log w_c = \sum_t F_{t/T}(z_B^{(t - 1)}) - F_{(t - 1)/T}(z_B^{(t - 1)})

        with F_β the log-marginal of B but for its constant, where W is multiplied by β, Z₀ the
        sum at β = 0, and each code a Gibbs sweep at t/T away from the last. The mean of Ẑ is Z.
        A standard error near 1 says that one chain carries the estimate: its error is then
        larger than that, and unknown. More temperatures are what helps.

        Arguments:
            chains: C ≥ 2.
            temperatures: T ≥ 1.
            generator: Of the draws.

        Returns:
            log Ẑ and its standard error by the delta method, in nats.

        Raises:
            ValueError: If `chains` or `temperatures` is out of range.

        Reference: Neal, Annealed importance sampling, 2001; Salakhutdinov & Murray, On the
        quantitative analysis of deep belief networks, 2008.

        Example:
            >>> log_z, se = BoltzmannPrior(100, 2).estimate_log_partition(temperatures=10)
            >>> round(float(log_z / 100), 4), float(se)  # log 2: nothing is coupled yet
            (0.6931, 0.0)
        """
        _require_positive(temperatures=temperatures)
        if chains < 2:
            raise ValueError(f"`chains` must be at least 2 to tell their spread, got {chains}.")
        bias_a, bias_b = self.bias.split([self.of_a, self.of_b])
        b = categorical.sample(bias_b, chains, generator)
        log_w = self.bias.new_zeros(chains)
        for before, after in pairwise(torch.linspace(0, 1, temperatures + 1).tolist()):
            field = self._field_on_a(b)
            high, low = ((bias_a + beta * field).logsumexp(-1) for beta in (after, before))
            log_w += (high - low).sum(-1)
            _, b = self._sweep(b, generator, after)
        log_z = self.bias.logsumexp(-1).sum() + log_w.logsumexp(0) - math.log(chains)
        w = (log_w - log_w.max()).exp()
        se = w.std() / w.mean() / chains**0.5
        if not self.exact:
            self.log_partition.copy_(log_z)
            self.log_partition_se.copy_(se)
            self.log_partition_of.copy_(self._checksum())
        return log_z, se

    @torch.no_grad()
    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        if self.exact:
            b = self._exact_b(count, generator)
            a = categorical.sample(self._logits_a(b), 1, generator)[0]
        else:
            b = categorical.sample(self.bias[self.of_a :], count, generator)
            for sweep in range(1, SWEEPS + 1):
                a, b = self._sweep(b, generator, min(1.0, 2 * sweep / SWEEPS))
        return torch.cat([a, b], -2).argmax(-1)

    def config(self) -> dict[str, Any]:
        options = {"chains": self.chains, "steps": self.steps, "budget": self.budget}
        return {"kind": self.kind, **options}

    def _log_partition(self) -> Float[Tensor, ""]:
        """Gives log Z: exact with its gradient, or as estimated with the chains' gradient."""
        if self.exact:
            return self.exact_log_partition(self.budget)
        learns = torch.is_grad_enabled() and self.bias.requires_grad
        if self.training:
            # Estimators may ask for values without a gradient: too often to estimate log Z.
            if learns:
                self._move_chains()
        elif not torch.equal(self.log_partition_of, self._checksum()):
            fixed = torch.Generator(self.bias.device).manual_seed(0)
            self.estimate_log_partition(generator=fixed)
        if not learns:
            return self.log_partition.clone()
        z = to_one_hot(self.chain_codes, self.shape[1], self.bias.dtype)
        negative_phase = self.negative_energy(z).mean()
        return self.log_partition + (negative_phase - negative_phase.detach())

    @torch.no_grad()
    def _move_chains(self) -> None:
        self.chain_stream += 1  # saved, unlike a generator: a resumed run draws what it would have
        generator = torch.Generator(self.bias.device).manual_seed(int(self.chain_stream))
        z = to_one_hot(self.chain_codes, self.shape[1], self.bias.dtype)
        a, b = z.split([self.of_a, self.of_b], -2)
        for _ in range(self.steps):
            a, b = self._sweep(b, generator)
        self.chain_codes.copy_(torch.cat([a, b], -2).argmax(-1))

    def _sweep(
        self, b: Float[Tensor, "S B K"], generator: torch.Generator | None, beta: float = 1.0
    ) -> tuple[Float[Tensor, "S A K"], Float[Tensor, "S B K"]]:
        """Draws A given B, then B given A, with W multiplied by `beta`."""
        a = categorical.sample(self._logits_a(b, beta), 1, generator)[0]
        logits_b = self.bias[self.of_a :] + beta * self._field("akbl,...ak->...bl", a)
        return a, categorical.sample(logits_b, 1, generator)[0]

    def _field(self, product: str, z: Float[Tensor, "*S D K"]) -> Float[Tensor, "*S E K"]:
        with torch.autocast(z.device.type, enabled=False):
            return torch.einsum(product, self.weight, z)

    def _field_on_a(self, b: Float[Tensor, "*S B K"]) -> Float[Tensor, "*S A K"]:
        return self._field("akbl,...bl->...ak", b)

    def _logits_a(self, b: Float[Tensor, "*S B K"], beta: float = 1.0) -> Float[Tensor, "*S A K"]:
        return self.bias[: self.of_a] + beta * self._field_on_a(b)

    def _log_marginals(self, start: int, stop: int) -> Float[Tensor, " S"]:
        """Gives F(z_B), the log of the sum over A of exp −E, of codes by number."""
        b = self._codes_of_b(start, stop)
        of_b = (self.bias[self.of_a :] * b).sum((-2, -1))
        return of_b + self._logits_a(b).logsumexp(-1).sum(-1)

    def _codes_of_b(self, start: int, stop: int) -> Float[Tensor, "S B K"]:
        codes = enumerate_codes(self.of_b, self.shape[1], start, stop, self.bias.device)
        return to_one_hot(codes, self.shape[1], self.bias.dtype)

    def _chunks(self) -> list[tuple[int, int]]:
        """Splits the numbers of the codes of B: where each chunk starts and stops."""
        size = self.shape[1] ** self.of_b
        rows = max(1, ELEMENTS // (self.of_a * self.shape[1]))
        return [(start, min(start + rows, size)) for start in range(0, size, rows)]

    def _exact_b(self, count: int, generator: torch.Generator | None) -> Float[Tensor, "count B K"]:
        """Draws the codes of B from their marginal distribution, by number."""
        log_p = torch.cat([self._log_marginals(*chunk) for chunk in self._chunks()])
        number = log_p.softmax(0).multinomial(count, replacement=True, generator=generator)
        return self._codes_of_b(0, len(log_p))[number]

    def _checksum(self) -> Int[Tensor, ""]:
        """Tells these weights from others, to the bit and alike on all devices."""
        bits = parameters_to_vector(self.parameters()).detach().double().view(torch.int64)
        bits = bits ^ (bits >> 31)  # else two changes of sign would cancel
        return (bits * torch.arange(1, 2 * len(bits), 2, device=bits.device)).sum()


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1, got {number}.")
