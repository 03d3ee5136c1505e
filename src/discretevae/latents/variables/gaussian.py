"""L independent Gaussian variables; the expectation over them is one reparameterised sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from discretevae.latents.draws import draw
from discretevae.latents.variables.known import Known
from discretevae.latents.variables.variable import Variable

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(Variable):
    r"""A vector u with :math:`q(u|x) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)`, p(u) standard.

    .. math:: \mathrm{KL} = \tfrac12 \sum_l (\mu_l^2 + \sigma_l^2 - 1 - \log \sigma_l^2)

    Arguments:
        name: Of the variable.
        size: L.
        posterior: Mean and log σ from what is known, (*SB, L, 2).
        like: A tensor that gives type and device of draws from the prior.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 10 and appendix B.
    """

    name: str
    size: int
    posterior: Callable[[Known], Tensor]
    like: Tensor

    event_dims: ClassVar[int] = 1

    @property
    def width(self) -> int:
        return self.size

    @property
    def classes(self) -> None:
        return None

    def q(self, known: Known) -> Float[Tensor, "*SB L 2"]:
        return self.posterior(known)

    def draw(
        self, q: Float[Tensor, "*SB L 2"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *SB L"]:
        mean, log_scale = q.unbind(-1)
        shape = (samples, *mean.shape)
        noise = draw(lambda x: x.normal_(generator=generator), shape, -2, mean, generator)
        return mean + log_scale.exp() * noise

    def mode(self, q: Float[Tensor, "*SB L 2"]) -> Float[Tensor, "*SB L"]:
        return q[..., 0]

    def expect(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "*SB"]:
        return f(self.draw(q, 1, generator))[0]

    @torch.no_grad()
    def average(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        return f(self.draw(q, 1, generator))[0]

    def cost(self, q: Float[Tensor, "*SB L 2"], known: Known) -> Float[Tensor, "*SB L"]:
        return self.kl(q, known)

    def kl(self, q: Float[Tensor, "*SB L 2"], known: Known) -> Float[Tensor, "*SB L"]:
        mean, log_scale = q.unbind(-1)
        return 0.5 * (mean.square() + (2 * log_scale).exp() - 1) - log_scale

    def log_p(self, z: Float[Tensor, "*SB L"], known: Known) -> Float[Tensor, "..."]:
        standard = Normal(torch.zeros_like(z), 1.0, validate_args=False)
        return standard.log_prob(z).sum(-1)

    def log_q(self, z: Float[Tensor, "*SB L"], q: Float[Tensor, "... L 2"]) -> Float[Tensor, "*SB"]:
        mean, log_scale = q.unbind(-1)
        return Normal(mean, log_scale.exp(), validate_args=False).log_prob(z).sum(-1)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Float[Tensor, "count L"]:
        empty = self.like.new_empty(count, self.size)
        return empty.normal_(generator=generator)

    def flat(self, z: Float[Tensor, "*SB L"]) -> Float[Tensor, "*SB L"]:
        return z

    def codes(self, z: Float[Tensor, "*SB L"]) -> Float[Tensor, "*SB L"]:
        return z

    def value(self, codes: Tensor, dtype: torch.dtype) -> Float[Tensor, "*SB L"]:
        if codes.dtype != dtype:
            raise ValueError(f"`codes` must be {dtype}, as the model is, got {codes.dtype}.")
        return codes

    def summary(self, q: Float[Tensor, "*SB L 2"]) -> Float[Tensor, "*SB L"]:
        return q[..., 0]

    def representations(self, q: Float[Tensor, "*SB L 2"]) -> dict[str, Tensor]:
        return {"mean": q[..., 0]}

    def alternatives(self) -> Float[Tensor, " N"]:
        return torch.linspace(-2, 2, 9)
