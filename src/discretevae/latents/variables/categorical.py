"""D categorical variables of K classes; the expectation over them is an estimator's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.latents import categorical
from discretevae.latents.codes import enumerate_codes, to_codes, to_one_hot
from discretevae.latents.variables.known import Known
from discretevae.latents.variables.prior import PriorGiven
from discretevae.latents.variables.variable import Variable

__all__ = ["Categorical"]


@dataclass(frozen=True)
class Categorical(Variable):
    r"""A product of D categoricals, :math:`q(z | x, …) = \prod_d \mathrm{Cat}(z_d)`.

    Arguments:
        name: Of the variable.
        sizes: D and K.
        posterior: The logits of q from what is known, (*SB, D, K).
        prior: p(z | …).
        estimator: Of E_q and its gradient; one of a multi-sample bound has the log-weight, KL
            included, expected.
        embed: What networks see of one-hot codes.
        enumerated: Whether a reported expectation over it is the sum over its values.
    """

    name: str
    sizes: tuple[int, int]
    posterior: Callable[[Known], Tensor]
    prior: PriorGiven
    estimator: Any
    embed: Callable[[Tensor], Tensor] = lambda z: z.flatten(-2)
    enumerated: bool = False

    event_dims: ClassVar[int] = 2

    @property
    def width(self) -> int:
        return self.sizes[0]

    @property
    def classes(self) -> tuple[int, ...]:
        return (self.sizes[1],) * self.sizes[0]

    @property
    def closed(self) -> bool:
        return self.prior.closed

    @property
    def joins(self) -> bool:
        return self.estimator.multi_sample or not self.prior.closed

    def q(self, known: Known) -> Float[Tensor, "*SB D K"]:
        return self.posterior(known)

    def draw(
        self, q: Float[Tensor, "*SB D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *SB D K"]:
        return categorical.sample(q, samples, generator)

    def mode(self, q: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        return categorical.one_hot_argmax(q)

    def expect(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "*SB"]:
        if self.estimator.multi_sample:
            return self.estimator(lambda z: f(z) - categorical.log_prob(z, q), q, generator)
        return self.estimator(f, q, generator)

    @torch.no_grad()
    def average(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        return self.estimator.average(f, q, generator)

    def cost(self, q: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "*SB D"]:
        if self.estimator.multi_sample:
            return q.new_zeros(q.shape[:-1])
        return self.kl(q, known)

    def trained_log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.trained_log_p(z, known)

    def kl(self, q: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "*SB D"]:
        return self.prior.kl(q, known) if self.closed else -categorical.entropy(q)

    def log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.log_p(z, known)

    def log_q(
        self, z: Float[Tensor, "*SB D K"], q: Float[Tensor, "... D K"]
    ) -> Float[Tensor, "*SB"]:
        return categorical.log_prob(z, q)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        return self.prior.sample(count, known, generator)

    def flat(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB F"]:
        return self.embed(z)

    def codes(self, z: Float[Tensor, "*SB D K"]) -> Int[Tensor, "*SB D"]:
        return to_codes(z)

    def value(self, codes: Tensor, dtype: torch.dtype) -> Float[Tensor, "*SB D K"]:
        if codes.is_floating_point() and not (codes == codes.round()).all():
            found = float(codes[codes != codes.round()][0])
            raise ValueError(f"`codes` must be whole numbers for {self.name}, got {found:g}.")
        return to_one_hot(codes.long(), self.sizes[1], dtype)

    def points(
        self, q: Float[Tensor, "*SB D K"]
    ) -> tuple[Float[Tensor, "N *_ D K"], Float[Tensor, "N *SB"]]:
        codes = enumerate_codes(*self.sizes, device=q.device)
        z = to_one_hot(codes, self.sizes[1], q.dtype)
        weights = categorical.log_prob_of_codes(codes, q).exp()
        return z.view(len(z), *[1] * (q.ndim - 2), *self.sizes), weights

    def summary(self, q: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB DK"]:
        return q.softmax(-1).flatten(-2)

    def representations(self, q: Float[Tensor, "*SB D K"]) -> dict[str, Tensor]:
        return {"codes": self.mode(q).flatten(-2), "probabilities": self.summary(q)}

    def alternatives(self) -> Float[Tensor, " K"]:
        return torch.arange(float(self.sizes[1]))

    def follows(self) -> bool:
        return self.prior.follows

    def prior_mode(self, known: Known) -> Float[Tensor, "*SB D K"]:
        return self.mode(self.prior.logits_given(known))

    def log_partition(self) -> Any:
        return self.prior.log_partition()
