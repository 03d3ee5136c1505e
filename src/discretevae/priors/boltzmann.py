"""A prior that couples the latents of two sides: a restricted Boltzmann machine of K classes."""

import math
from dataclasses import replace
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
from discretevae.priors.annealing import Forward, known_codes, sandwich
from discretevae.priors.bipartite import BipartiteMachine
from discretevae.priors.holder import holder_bound
from discretevae.priors.log_partition import LogPartition
from discretevae.priors.prior import Prior

__all__ = ["BoltzmannPrior"]

ELEMENTS = 2**21
"""Numbers in one chunk of a sum over one side; bounds its memory."""
SWEEPS = 1000
"""Gibbs sweeps to a sample where neither side can be summed over: half of them annealed."""
CHAINS, TEMPERATURES = 128, 1000
"""Of an estimate of log Z."""
PATIENCE = 4
"""How many times as many temperatures are tried where the two sides of an estimate disagree."""
REPORTED = DEFAULT_BUDGET
"""Codes of B that are always few enough for what is reported, sampled or evaluated: no step."""


class BoltzmannPrior(Prior):
    r"""A Boltzmann machine between the first ⌈D/2⌉ latents, A, and the others, B; uniform at first.

    .. math:: \log p(z) = -E(z) - \log Z, \qquad
        -E(z) = \sum_d b_d \cdot z_d + \sum_{d \in A, e \in B} z_d^\top W_{de} z_e

    Given one side, the latents of the other are independent categoricals. At K = 2 this is the
    usual restricted Boltzmann machine, at K > 2 its Potts form.

    **Where the codes of B, K^⌊D/2⌋, are 65,536 or fit the budget**, log p(z) is exact, by a sum
    over them, :math:`\log Z = \log \sum_{z_B} \exp(b_B \cdot z_B + \sum_{d \in A} \log \sum_k
    \exp(b_d + W_d z_B)_k)`; so are samples, and within the budget the gradients of training.

    **Elsewhere** log Z is estimated from both sides (:func:`~.annealing.sandwich`), and `log_prob`
    takes the upper end: no log p(z), and no bound on log p(x), is flattered on average. That end
    rests on samples of p, which the estimate makes itself. Where the two sides lie 0.5 nats or
    more apart, the upper end is Hölder's bound (:func:`~.holder.holder_bound`), which is certain;
    where that too is 0.5 nats or more above, four times as many temperatures are tried. What the
    sides then still disagree by, `log_prob` is too low by at most. Mass that neither search nor
    chains come upon is seen by neither side: only Hölder's bound would hold. The estimate is made
    from fixed draws whenever the weights have changed, in training mode as in evaluation;
    `log_partition_estimate` gives both its ends.

    In training mode `trained_log_prob` keeps the last log Z: its value is then of earlier weights,
    while its gradient,

    .. math:: \nabla \log p(z) = -\nabla E(z) + \mathbb{E}_p[\nabla E],

    has the mean under p from Gibbs chains that move `steps` sweeps each time it is asked for and
    never start anew (persistent contrastive divergence): biased as far as the chains lag behind
    the weights. The gradient of `log_prob` is from the chains as they stand. Chains, the stream of
    their draws, and the upper end are saved with the weights: training goes on where it stopped,
    and a loaded model has its log Z; one that version 0.1.0 wrote estimates it anew. `sample`
    takes 1000 sweeps, the first half from W = 0 to W.

    Arguments:
        num_latents: D.
        num_categories: K.
        chains: Of the persistent Gibbs sampling; where there is any.
        steps: Their sweeps for each gradient.
        budget: The most codes of B that are summed over for a gradient of training.

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
    estimates: ClassVar[tuple[str, ...]] = (
        "chain_codes",
        "chain_stream",
        "log_partition",
        "log_partition_se",
        "log_partition_of",
    )

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
        if not self._sums_gradients:
            self._register_estimate()
        self._exact: tuple[Any, Float[Tensor, ""]] | None = None
        self._estimate: tuple[int, LogPartition] | None = None

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

    @property
    def exact(self) -> bool:
        """Whether `log_prob` is log p(z) itself: else it rests on an estimate of log Z."""
        return self._sums(max(self.budget, REPORTED))

    @property
    def machine(self) -> BipartiteMachine:
        """The density but for log Z, as one of two sides."""
        bias_a, bias_b = self.bias.split([self.of_a, self.of_b])
        return BipartiteMachine(bias_a, bias_b, self.weight)

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return self.negative_energy(z) - self._log_partition()

    def trained_log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        if self._sums_gradients or not self.training:
            return self.log_prob(z, context)
        learns = self._learns()
        if learns:  # else estimators ask for values alone
            self._move_chains()
        return self.negative_energy(z) - self._with_gradient(self.log_partition.clone(), learns)

    def trained_log_prob_of_codes(
        self, codes: Int[Tensor, "*SB D"], context: Float[Tensor, "*B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        return self.trained_log_prob(self.one_hot(codes), context)

    @torch.no_grad()
    def log_partition_estimate(self) -> LogPartition | None:
        if self.exact:
            return None
        self._renew()
        if self._estimate is None or self._estimate[0] != int(self.log_partition_of):
            self._estimate = int(self.log_partition_of), self._of_saved()
        return self._estimate[1]

    def negative_energy(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB"]:
        """Gives −E(z), the log-probability but for log Z; also of relaxed codes."""
        a, b = z.split([self.of_a, self.of_b], -2)
        return (self.bias * z).sum((-2, -1)) + (a * self.machine.field_on_a(b)).sum((-2, -1))

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
        chains: int = CHAINS,
        temperatures: int = TEMPERATURES,
        generator: torch.Generator | None = None,
        codes: Int[Tensor, "N D"] | None = None,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        r"""Estimates log Z from both sides, and keeps the estimate until the weights change.

        What is returned is what `log_prob` then takes: the upper end; `log_partition_estimate`
        has the lower one beside it. Where the sides disagree it is Hölder's bound, with an error
        of 0. More temperatures are what brings the sides together.

        Arguments:
            chains: Of each side, at least 2.
            temperatures: Steps from W = 0 to W, at least 1.
            generator: Of the draws.
            codes: Where mass is expected, such as codes of data; the search for it starts there.

        Returns:
            The upper end and its standard error by the delta method, in nats.

        Raises:
            ValueError: If `chains` or `temperatures` is out of range.

        Reference: as of :func:`~.annealing.sandwich`.

        Example:
            >>> log_z, se = BoltzmannPrior(100, 2).estimate_log_partition(temperatures=10)
            >>> round(float(log_z / 100), 4), float(se)  # log 2: nothing is coupled yet
            (0.6931, 0.0)
        """
        _require_positive(temperatures=temperatures)
        if chains < 2:
            raise ValueError(f"`chains` must be at least 2 to tell their spread, got {chains}.")
        found = sandwich(self.machine, self._starts(codes), chains, temperatures, generator)
        found = self._certain_where_needed(found)
        if not self._sums_gradients:
            self._keep(found)
        return self.bias.new_tensor(found.upper), self.bias.new_tensor(found.upper_se)

    @torch.no_grad()
    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        if self.exact:
            b = self._exact_b(count, generator)
            a = categorical.sample(self.machine.logits_a(b), 1, generator)[0]
        else:
            b = self.machine.sample_uncoupled(count, generator)
            for sweep in range(1, SWEEPS + 1):
                a, b = self.machine.sweep(b, generator, min(1.0, 2 * sweep / SWEEPS))
        return torch.cat([a, b], -2).argmax(-1)

    def config(self) -> dict[str, Any]:
        options = {"chains": self.chains, "steps": self.steps, "budget": self.budget}
        return {"kind": self.kind, **options}

    def _sums(self, budget: int) -> bool:
        return is_enumerable(max(1, self.of_b), self.shape[1], budget)

    @property
    def _sums_gradients(self) -> bool:
        return self._sums(self.budget)

    def _learns(self) -> bool:
        return torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())

    def _log_partition(self) -> Float[Tensor, ""]:
        """Gives log Z of these weights: exact with its gradient, or the upper end."""
        learns = self._learns()
        if self.exact:
            return self._exact_log_partition(learns)
        self._renew()
        return self._with_gradient(self.log_partition.clone(), learns)

    def _exact_log_partition(self, learns: bool) -> Float[Tensor, ""]:
        if learns:
            return self.exact_log_partition(max(self.budget, REPORTED))
        of = int(self._checksum()), self.bias.dtype, self.bias.device
        if self._exact is None or self._exact[0] != of:
            with torch.no_grad():
                log_z = self.exact_log_partition(max(self.budget, REPORTED))
            self._exact = of, log_z
            if not self._sums_gradients:
                self._keep(LogPartition(float(log_z), float(log_z), 0.0, 0.0))
        return self._exact[1].clone()

    def _with_gradient(self, log_z: Float[Tensor, ""], learns: bool) -> Float[Tensor, ""]:
        """Gives a value of log Z the gradient that the chains have where they stand."""
        if not learns:
            return log_z
        z = to_one_hot(self.chain_codes, self.shape[1], self.bias.dtype)
        negative_phase = self.negative_energy(z).mean()
        return log_z + (negative_phase - negative_phase.detach())

    @torch.no_grad()
    def _renew(self) -> None:
        """Estimates log Z if the weights have changed, again where the sides disagree."""
        if torch.equal(self.log_partition_of, self._checksum()):
            return
        for temperatures in (TEMPERATURES, PATIENCE * TEMPERATURES):
            sides = sandwich(self.machine, self._starts(None), CHAINS, temperatures, self._fixed())
            found = self._certain_where_needed(sides)
            if not found.disagree:
                break
        self._keep(found)

    def _certain_where_needed(self, found: LogPartition) -> LogPartition:
        """Replaces an upper end that is not to be trusted by one that is certain."""
        if not found.disagree:
            return found
        upper = holder_bound(self.machine)
        return replace(found, lower=min(found.lower, upper), upper=upper, upper_se=0.0)

    def _keep(self, found: LogPartition) -> None:
        self.log_partition.fill_(found.upper)
        self.log_partition_se.fill_(found.upper_se)
        self.log_partition_of.copy_(self._checksum())
        self._estimate = int(self.log_partition_of), found

    def _of_saved(self) -> LogPartition:
        """Gives a saved upper end, or that of no weights, its lower one."""
        upper, upper_se = float(self.log_partition), float(self.log_partition_se)
        generator = self._fixed()
        known = known_codes(self.machine, self._starts(None), generator)
        forward = Forward(self.machine, known, CHAINS, TEMPERATURES, generator)
        return LogPartition(min(float(forward.log_z), upper), upper, float(forward.se), upper_se)

    def _fixed(self) -> torch.Generator:
        return torch.Generator(self.bias.device).manual_seed(0)

    def _starts(self, codes: Int[Tensor, "N D"] | None) -> Float[Tensor, "S B K"]:
        """Gives the half B of codes where mass is expected, of the chains too if there are any."""
        found = self.bias.new_empty(0, len(self.bias)).long() if codes is None else codes
        if not self._sums_gradients:
            found = torch.cat([found, self.chain_codes])
        return to_one_hot(found[:, self.of_a :], self.shape[1], self.bias.dtype)

    @torch.no_grad()
    def _move_chains(self) -> None:
        self.chain_stream += 1  # saved, unlike a generator: a resumed run draws what it would have
        generator = torch.Generator(self.bias.device).manual_seed(int(self.chain_stream))
        z = to_one_hot(self.chain_codes, self.shape[1], self.bias.dtype)
        b = z[:, self.of_a :]
        for _ in range(self.steps):
            a, b = self.machine.sweep(b, generator)
        self.chain_codes.copy_(torch.cat([a, b], -2).argmax(-1))

    def _log_marginals(self, start: int, stop: int) -> Float[Tensor, " S"]:
        """Gives F(z_B), the log of the sum over A of exp −E, of codes by number."""
        return self.machine.log_marginal(self._codes_of_b(start, stop))

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
        """Tells these weights from others, to the bit and alike on all devices.

        The factors begin at 3: with those of version 0.1.0, at 1, an estimate is of one side.
        """
        bits = parameters_to_vector(self.parameters()).detach().double().view(torch.int64)
        bits = bits ^ (bits >> 31)  # else two changes of sign would cancel
        return (bits * torch.arange(3, 2 * len(bits) + 3, 2, device=bits.device)).sum()


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1, got {number}.")
