"""A chain of latent variables, inferred one after the other: what is trained and reported of it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution

from discretevae.estimators.functions import CodeFunction
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents.codes import EnumerationError, code_chunks_of, counts_at_most
from discretevae.latents.draws import same_again
from discretevae.latents.variables import Known, Variable
from discretevae.likelihoods import Likelihood
from discretevae.objectives import ELBO, free_bits, importance_weighted_bound

__all__ = ["ROWS", "Chain", "float32_island", "rows_at_once"]

ROWS = 2**13
"""Rows of the decoder in one chunk of an evaluation."""
VALUES = 2**23
"""Numbers of an evaluation's chunk of large observations."""


def rows_at_once(shape: tuple[int, ...], most: int | None = None) -> int:
    """Gives how many observations are evaluated together: fewer of large ones.

    Example:
        >>> rows_at_once((784,)), rows_at_once((3, 1000, 1000)), rows_at_once((784,), 250)
        (8192, 2, 250)
    """
    return max(1, min(most or ROWS, VALUES // max(1, math.prod(shape))))


def float32_island(device: torch.device) -> torch.autocast:
    """Switches mixed precision off: sampling, softmax, KL and likelihood stay in float32."""
    return torch.autocast(device.type, enabled=False)


@dataclass(frozen=True)
class Chain:
    r"""A joint p(x, v₁, …, v_L | c), and a posterior that infers one variable after the other.

    .. math:: \log p(x) \ge \mathbb{E}_q[\log p(x | v)]
        - \sum_i \mathbb{E}_q[\mathrm{KL}(q(v_i | x, v_{<i}) \| p(v_i | \dots))]

    Where p(v_i | …) rests on variables that are inferred later, or its KL has no closed form, the
    entropy of q alone is in closed form, and log p(v_i | …) is expected with the likelihood.

    Arguments:
        variables: In the order of inference.
        order: Their names in the order of the codes.
        generative: Their names in the order in which the prior draws them.
        decode: Decoder's output, from a value of every variable.
        likelihood: p(x | h).
        beta: The weight of the KL in what is trained.
        free_bits: Nats that each latent may cost in what is trained before they count.
        together: Trains the bound of S draws of all variables, in the place of the expectation
            over each; of discrete variables.
    """

    variables: Sequence[Variable]
    order: Sequence[str]
    generative: Sequence[str]
    decode: Callable[[Known], Tensor]
    likelihood: Likelihood
    beta: float = 1.0
    free_bits: float = 0.0
    together: MultiSampleEstimator | None = None

    def named(self, name: str) -> Variable:
        """Finds a variable."""
        return next(v for v in self.variables if v.name == name)

    def batch(self, x: Tensor) -> tuple[int, ...]:
        """Gives the shape of a batch of observations."""
        return tuple(x.shape[: x.ndim - self.likelihood.event_dims])

    def posterior(
        self, variable: Variable, known: Known, batch: tuple[int, ...]
    ) -> Float[Tensor, "..."]:
        """Gives the parameters of q for every example and every value of what is known."""
        q = variable.q(known)
        if not known.values:
            return q
        shape = torch.broadcast_shapes(batch, *self._rows(known))
        return q.expand(*shape, *q.shape[q.ndim - variable.parameter_dims :])

    def _rows(self, known: Known) -> list[torch.Size]:
        found = ((value, self.named(name).event_dims) for name, value in known.values.items())
        return [value.shape[: value.ndim - dims] for value, dims in found]

    # What is trained.

    def objective(
        self, x: Tensor, known: Known, generator: torch.Generator | None
    ) -> Float[Tensor, "*B"]:
        """Estimates what is maximised, with one estimator's gradient inside another's."""
        if self.together is not None:
            return self.together.bound(*self._drawn(x, known, self.together.samples, generator))
        above = self._above_the_floor(known, self.batch(x), generator) if self.free_bits else {}
        return Expectation(self, x, generator, above).over(known)

    def _drawn(
        self, x: Tensor, known: Known, samples: int, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "S *B"], Float[Tensor, "S *B"]]:
        """Draws log w and log q(v | x) as training has them."""
        known, parameters = self.draw(known, self.batch(x), samples, generator)
        log_p = self.log_likelihood(x, known)
        log_q = torch.zeros_like(log_p)
        for variable in self.variables:
            v = known.values[variable.name]
            log_p = log_p + variable.trained_log_p(v, known)
            log_q = log_q + variable.log_q(v, parameters[variable.name])
        return log_p - log_q, log_q

    @torch.no_grad()
    def _above_the_floor(
        self, known: Known, batch: tuple[int, ...], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Marks the latents whose KL, expected over the batch and what comes before, counts."""
        with same_again(generator):
            costs = self._costs(known, batch, generator)
        means = costs.reshape(-1, costs.shape[-1]).mean(0)
        parts = (means > self.free_bits).split([v.width for v in self.variables])
        return {v.name: part for v, part in zip(self.variables, parts, strict=True)}

    def _costs(
        self, known: Known, batch: tuple[int, ...], generator: torch.Generator | None
    ) -> Float[Tensor, "*SB D"]:
        """Gives what each latent of the variables left costs, expected over the others."""
        variable = self.variables[len(known.values)]
        q = self.posterior(variable, known, batch)
        own = variable.cost(q, known)
        if len(known.values) + 1 == len(self.variables):
            return own

        def later(z: Tensor) -> Tensor:
            return self._costs(known.plus(variable.name, z), batch, generator)

        return torch.cat([own, variable.average(later, q, generator)], -1)

    # What is reported.

    def elbo_terms(
        self, x: Tensor, known: Known, samples: int, generator: torch.Generator | None
    ) -> ELBO:
        """Estimates both terms of the true bound: hard values, β = 1, no floor."""
        return self._terms(x, known, samples, generator, drawn=False)

    def _terms(
        self,
        x: Tensor,
        known: Known,
        samples: int,
        generator: torch.Generator | None,
        drawn: bool,
    ) -> ELBO:
        """Averages over the variables left: by enumeration, or by S draws of each in turn."""
        if len(known.values) == len(self.variables):
            reconstruction = self.log_likelihood(x, known)
            return ELBO(reconstruction, self._minus_log_p(known, torch.zeros_like(reconstruction)))
        variable = self.variables[len(known.values)]
        q = self.posterior(variable, known, self.batch(x))
        own = variable.kl(q, known).sum(-1)
        if variable.enumerated:
            values, weights = variable.points(q)
            later = self._terms(x, known.plus(variable.name, values), samples, generator, drawn)
            return ELBO(*((weights * term).sum(0) for term in later)).plus_kl(own)
        if drawn:
            z = variable.draw(q, 1, generator)[0]
            return self._terms(x, known.plus(variable.name, z), 1, generator, True).plus_kl(own)
        z = variable.draw(q, samples, generator)
        later = self._terms(x, known.plus(variable.name, z), 1, generator, True)
        return ELBO(*(term.mean(0) for term in later)).plus_kl(own)

    def _minus_log_p(self, known: Known, kl: Tensor) -> Tensor:
        for variable in self.variables:
            if not variable.closed:
                kl = kl - variable.log_p(known.values[variable.name], known)
        return kl

    def draw(
        self,
        known: Known,
        batch: tuple[int, ...],
        samples: int,
        generator: torch.Generator | None,
    ) -> tuple[Known, dict[str, Tensor]]:
        """Draws S values of every variable in turn; also gives the parameters they came from."""
        parameters: dict[str, Tensor] = {}
        for variable in self.variables:
            q = parameters[variable.name] = self.posterior(variable, known, batch)
            first = not known.values
            z = variable.draw(q, samples if first else 1, generator)
            known = known.plus(variable.name, z if first else z[0])
        return known, parameters

    def most_probable(
        self, known: Known, batch: tuple[int, ...]
    ) -> tuple[Known, dict[str, Tensor]]:
        """Takes the most probable value of each variable in turn, and the parameters of its q."""
        parameters: dict[str, Tensor] = {}
        for variable in self.variables:
            q = parameters[variable.name] = self.posterior(variable, known, batch)
            known = known.plus(variable.name, variable.mode(q))
        return known, parameters

    def kl_per_variable(
        self,
        known: Known,
        batch: tuple[int, ...],
        samples: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "*B V"]:
        """Estimates what each variable adds to the KL, in nats, in the order of the codes."""
        known, parameters = self.draw(known, batch, samples, generator)
        rows = (samples, *batch)
        found = []
        for name in self.order:
            variable = self.named(name)
            kl = variable.kl(parameters[name], known).sum(-1)
            if not variable.closed:
                kl = kl - variable.log_p(known.values[name], known)
            found.append(kl.expand(rows).mean(0))
        return torch.stack(found, -1)

    def log_weights(
        self, x: Tensor, known: Known, samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B"]:
        """Draws log w = log p(x, v) − log q(v | x), in nats."""
        return self.weighted(x, known, samples, generator)[1]

    def weighted(
        self, x: Tensor, known: Known, samples: int, generator: torch.Generator | None
    ) -> tuple[Distribution, Float[Tensor, "S *B"]]:
        """Draws p(x | v) and log w = log p(x, v) − log q(v | x), in nats."""
        known, parameters = self.draw(known, self.batch(x), samples, generator)
        p = self.observe(known)
        log_w = p.log_prob(x)
        for variable in self.variables:
            z = known.values[variable.name]
            log_w = log_w + variable.log_p(z, known) - variable.log_q(z, parameters[variable.name])
        return p, log_w

    def importance_weighted(
        self, x: Tensor, known: Known, samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x) by S weights, so many at a time as memory holds."""
        if all(variable.point for variable in self.variables):
            samples = 1  # all are the same
        rows = self._rows_at_once(x)
        chunk = max(1, rows // max(1, torch.Size(self.batch(x)).numel()))
        sizes = [min(chunk, samples - start) for start in range(0, samples, chunk)]
        parts = [self.log_weights(x, known, size, generator) for size in sizes]
        return importance_weighted_bound(torch.cat(parts))

    def _rows_at_once(self, x: Tensor) -> int:
        shape = tuple(x.shape[len(self.batch(x)) :])
        return rows_at_once(self.likelihood.evaluated(shape))

    def log_likelihood(self, x: Tensor, known: Known, shared: bool = False) -> Float[Tensor, "*SB"]:
        """Gives log p(x | v) in nats; values `shared` by the batch are decoded once."""
        if not shared:
            return self.observe(known).log_prob(x)
        batch = len(self.batch(x))
        alone = {
            name: _without(value, batch, self.named(name).event_dims)
            for name, value in known.values.items()
        }
        known = Known(known.features, None, alone)
        h, rows = self.decode(known), torch.broadcast_shapes(*self._rows(known))
        with float32_island(h.device):
            pairs = self.likelihood.log_prob_pairs(h.flatten(0, len(rows) - 1), x)
        return pairs.unflatten(0, rows) if len(rows) > 1 else pairs

    def observe(self, known: Known) -> Distribution:
        """Gives p(x | v)."""
        return self.likelihood(self.decode(known))

    # Enumeration.

    @property
    def classes(self) -> list[int] | None:
        """How many values each number of a code has; none where one is continuous."""
        found = [self.named(name).classes for name in self.order]
        if any(classes is None for classes in found):
            return None
        return [k for classes in found if classes is not None for k in classes]

    @property
    def width(self) -> int:
        """How many numbers a code has."""
        return sum(v.width for v in self.variables)

    def place(self, name: str) -> slice:
        """Gives where the numbers of one variable stand in a code."""
        before = self.order[: self.order.index(name)]
        start = sum(self.named(other).width for other in before)
        return slice(start, start + self.named(name).width)

    @property
    def continuous(self) -> bool:
        """Whether a code holds no class at all."""
        return all(v.classes is None for v in self.variables)

    def is_enumerable(self, budget: int) -> bool:
        """Whether all codes are at most `budget`."""
        return self.classes is not None and counts_at_most(self.classes, budget)

    def exact_log_likelihood(self, x: Tensor, known: Known, budget: int) -> Float[Tensor, "*B"]:
        """Sums p(x, v) over the values of all variables.

        Raises:
            EnumerationError: If there are more than `budget`, or one is continuous.
        """
        if self.classes is None:
            names = ", ".join(v.name for v in self.variables if v.classes is None)
            raise EnumerationError(
                "`model` must have discrete latents alone to be enumerated, "
                f"got {names} continuous: use `log_likelihood`."
            )
        batch, shared = self.batch(x), known.context is None
        rows = 1 if shared else max(1, torch.Size(batch).numel())
        most = self._rows_at_once(x)
        chunks = code_chunks_of(self.classes, max(1, most // rows), budget, x.device)
        total: Tensor | None = None
        for codes in chunks:
            every = self._everywhere(codes, batch, known, x.dtype)
            part = self._plus_log_p(self.log_likelihood(x, every, shared), every).logsumexp(0)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None
        return total

    def all_weighted(
        self, x: Tensor, known: Known, chunk: int
    ) -> Iterator[tuple[Distribution, Float[Tensor, "S *B"]]]:
        """Yields p(x | v) and log p(x, v) of all codes, so many at a time."""
        batch = self.batch(x)
        for codes in code_chunks_of(self.classes or [], chunk, device=x.device):
            every = self._everywhere(codes, batch, known, x.dtype)
            p = self.observe(every)
            yield p, self._plus_log_p(p.log_prob(x), every)

    def _everywhere(
        self, codes: Tensor, batch: tuple[int, ...], known: Known, dtype: torch.dtype
    ) -> Known:
        """Gives values that the batch shares of codes (S, D)."""
        return self.values(codes[(slice(None), *[None] * len(batch))], known, dtype)

    def _plus_log_p(self, value: Tensor, known: Known) -> Tensor:
        for variable in self.variables:
            value = value + variable.log_p(known.values[variable.name], known)
        return value

    # Codes.

    def values(self, codes: Tensor, known: Known, dtype: torch.dtype) -> Known:
        """Gives the value of each variable that codes stand for.

        Raises:
            ValueError: If there are too many or too few numbers, or one stands for no value.
        """
        widths = [self.named(name).width for name in self.order]
        if codes.ndim < 1 or codes.shape[-1] != sum(widths):
            parts = " + ".join(f"{n} of {name}" for name, n in zip(self.order, widths, strict=True))
            raise ValueError(
                f"`codes` must end in {sum(widths)} numbers ({parts}), got {tuple(codes.shape)}."
            )
        for name, part in zip(self.order, codes.split(widths, -1), strict=True):
            known = known.plus(name, self.named(name).value(part, dtype))
        return known

    def codes(self, known: Known) -> Tensor:
        """Gives the codes of the values of all variables, side by side."""
        found = [self.named(name).codes(known.values[name]) for name in self.order]
        kinds = {part.dtype for part in found}
        if len(kinds) > 1:  # whole numbers beside others
            wide = next(kind for kind in kinds if kind.is_floating_point)
            found = [part.to(wide) for part in found]
        return torch.cat(found, -1)

    def variations(self, code: Shaped[Tensor, " W"]) -> Shaped[Tensor, "D N W"]:
        """Changes each number of the variable that the prior draws first to all that it may be.

        What follows it under the prior becomes the most probable; all others stay as they are.
        """
        name, *others = self.generative
        first, widths = self.named(name), [self.named(n).width for n in self.order]
        own = dict(zip(self.order, code.split(widths), strict=True))
        values = first.alternatives().to(code)
        changed = own[name].repeat(first.width, len(values), 1)
        number = torch.arange(first.width)
        changed[number, :, number] = values
        dtype = code.dtype if code.is_floating_point() else torch.get_default_dtype()
        known = Known().plus(name, first.value(changed, dtype))
        for other in others:
            variable = self.named(other)
            same = variable.value(own[other].expand(*changed.shape[:-1], -1), dtype)
            known = known.plus(other, variable.prior_mode(known) if variable.follows() else same)
        return self.codes(known)

    def sample(
        self, count: int, known: Known, dtype: torch.dtype, generator: torch.Generator | None
    ) -> Tensor:
        """Draws codes from the prior."""
        for name in self.generative:
            codes = self.named(name).sample(count, known, generator)
            known = known.plus(name, self.named(name).value(codes, dtype))
        return self.codes(known)


@dataclass(frozen=True)
class Expectation:
    """What is maximised of a batch, as an expectation over the variables that are left."""

    chain: Chain
    x: Tensor
    generator: torch.Generator | None
    above: Mapping[str, Tensor]

    def over(self, known: Known, shared: bool = True) -> Float[Tensor, "*SB"]:
        """Estimates it over the next variable, and in it over those after that."""
        variable = self.chain.variables[len(known.values)]
        q = self.chain.posterior(variable, known, self.chain.batch(self.x))
        inside = Inside(self, variable, known, shared and known.context is None)
        cost = self._cost(variable, q, known)
        return variable.expect(inside, q, self.generator) - self.chain.beta * cost

    def given(self, known: Known, shared: bool) -> Float[Tensor, "*SB"]:
        """Gives what is expected, once one more variable is known."""
        chain = self.chain
        if len(known.values) < len(chain.variables):
            return self.over(known, shared)
        value = chain.log_likelihood(self.x, known, shared)
        for variable in chain.variables:
            if variable.joins:
                log_p = variable.trained_log_p(known.values[variable.name], known)
                value = value + chain.beta * log_p
        return value

    def _cost(self, variable: Variable, q: Tensor, known: Known) -> Float[Tensor, "*SB"]:
        cost = variable.cost(q, known)
        if not self.above:
            return cost.sum(-1)
        of_prior = variable.cost(q.detach(), known.still())
        return free_bits(cost, self.chain.free_bits, of_prior, self.above[variable.name])


class Inside(CodeFunction):
    """f of one variable: what is expected over those after it."""

    def __init__(
        self, expectation: Expectation, variable: Variable, known: Known, shared: bool
    ) -> None:
        self.expectation, self.variable, self.known = expectation, variable, known
        self.shared = shared

    @property
    def context(self) -> Float[Tensor, "*SB F"]:
        """The data, flat: what a learned baseline may see; 0 where a cell is missing."""
        chain, x = self.expectation.chain, self.expectation.x
        flat = chain.likelihood.whole(x).flatten(len(chain.batch(x))).nan_to_num()
        rows = torch.broadcast_shapes(chain.batch(x), *chain._rows(self.known))
        return flat.expand(*rows, -1)

    def __call__(self, z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return self.expectation.given(self.known.plus(self.variable.name, z), shared=False)

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "..."]:
        """Evaluates codes that the batch shares: what rests on them alone, once for all."""
        others = len(self.known.values) + len(self.expectation.chain.batch(self.expectation.x))
        z = z.view(len(z), *[1] * others, *z.shape[1:])
        return self.expectation.given(self.known.plus(self.variable.name, z), shared=True)


def _without(value: Tensor, batch: int, event_dims: int) -> Tensor:
    """Takes away the dimensions of a batch that shares the value."""
    samples = value.shape[: value.ndim - event_dims - batch]
    return value.reshape(*samples, *value.shape[value.ndim - event_dims :])
