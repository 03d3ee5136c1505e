"""D vectors, each taken to one of K: a posterior that is one point."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from discretevae.latents.quantisers.quantiser import Quantisation, Quantiser
from discretevae.latents.variables.known import Known
from discretevae.latents.variables.prior import PriorGiven
from discretevae.latents.variables.variable import Variable
from discretevae.names import require_count

__all__ = ["Quantised"]

MOST = 2**24
"""Whole numbers up to here are exact in float32."""
ALTERNATIVES = 32
"""Codes to which one is changed to see what it does, at most."""


@dataclass(eq=False)
class Quantised(Variable):
    r"""D vectors quantised by one quantiser: q(z|x) is a point mass at z(x).

    .. math:: \log p(x) \ge \log p(x | z(x)) + \log p(z(x)), \qquad
        \text{with a gap of } -\log p(z(x) | x)

    The parameters of q are the encoder's vectors, (*SB, D, E). A value is (*SB, D, E + 1): the
    vector of each code, and behind it the code itself, without which two codes of equal vectors
    would be one; it is float32 at least, where it is exact. **Trained** are the value with the
    gradient that the quantiser declares, biased, and its cost. **Reported** is the vector of the
    nearest code, and that alone, in every mode: nothing learns from it. KL is minus the entropy of
    a point, 0, and log p is that of the codes, with a gradient for p and none for z.

    Arguments:
        name: Of the variable.
        size: D ≥ 1.
        posterior: The encoder's vectors from what is known, (*SB, D, E).
        quantiser: Of each vector; the D share it. It quantises the same vectors once, however
            often training asks, for it may learn from each time.
        prior: p(z | …) of the codes.
        rate: Whether log p of the codes is part of what is trained, so that p is fitted as the
            model is.

    Raises:
        ValueError: If D is below 1, or K above 2^24.

    Reference: van den Oord, Vinyals & Kavukcuoglu, Neural discrete representation learning, 2017,
    §3.1.

    Example:
        >>> from discretevae.latents.quantisers import FiniteScalarQuantiser
        >>> from discretevae.latents.variables import LogitsGiven
        >>> prior = LogitsGiven(lambda known: torch.zeros(2, 15), follows=False)
        >>> quantiser = FiniteScalarQuantiser([5, 3])
        >>> variable = Quantised("z", 2, lambda known: known.features, quantiser, prior)
        >>> z = variable.mode(variable.q(Known(torch.zeros(4, 2, 2))))
        >>> variable.flat(z).shape, variable.codes(z)[0].tolist()
        (torch.Size([4, 4]), [7, 7])
        >>> variable.log_p(z, Known())  # −2 log 15
        tensor([-5.4161, -5.4161, -5.4161, -5.4161])
    """

    name: str
    size: int
    posterior: Callable[[Known], Tensor]
    quantiser: Quantiser
    prior: PriorGiven
    rate: bool = False
    _latest: tuple[Tensor, Quantisation] | None = field(default=None, init=False, repr=False)

    event_dims: ClassVar[int] = 2
    point: ClassVar[bool] = True
    enumerated: ClassVar[bool] = True  # type: ignore[misc]  # its support is one point

    def __post_init__(self) -> None:
        require_count("size", self.size)
        if self.quantiser.num_codes > MOST:
            raise ValueError(
                f"`quantiser` must have at most 2^24 codes to be a latent variable, "
                f"got {self.quantiser.num_codes}."
            )

    @property
    def width(self) -> int:
        return self.size

    @property
    def classes(self) -> tuple[int, ...]:
        return (self.quantiser.num_codes,) * self.size

    @property
    def closed(self) -> bool:
        return False

    @property
    def joins(self) -> bool:
        return self.rate

    def q(self, known: Known) -> Float[Tensor, "*SB D E"]:
        return self.posterior(known)

    # What is trained.

    def expect(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "*SB"]:
        values, codes, _ = self._quantised(q)
        return f(_beside(values, codes).unsqueeze(0)).squeeze(0)

    def cost(self, q: Float[Tensor, "*SB D E"], known: Known) -> Float[Tensor, "*SB D"]:
        return self._quantised(q).cost

    def trained_log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.trained_log_p_of_codes(self.codes(z), known)

    def _quantised(self, q: Float[Tensor, "*SB D E"]) -> Quantisation:
        """Quantises once what both the value and its cost are asked of."""
        if self._latest is None or self._latest[0] is not q:
            self._latest = q, self.quantiser(q)
        return self._latest[1]

    # What is reported.

    def draw(
        self, q: Float[Tensor, "*SB D E"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *SB D F"]:
        z = self.mode(q)
        return z.expand(samples, *z.shape)

    def mode(self, q: Float[Tensor, "*SB D E"]) -> Float[Tensor, "*SB D F"]:
        codes = self.quantiser.nearest(q)
        return _beside(self.quantiser.lookup(codes), codes)

    def average(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        with torch.no_grad():
            return f(self.draw(q, 1, generator))[0]

    def points(
        self, q: Float[Tensor, "*SB D E"]
    ) -> tuple[Float[Tensor, "1 *SB D F"], Float[Tensor, "1 *SB"]]:
        z = self.draw(q, 1, None)
        return z, z.new_ones(z.shape[:-2])

    def kl(self, q: Float[Tensor, "*SB D E"], known: Known) -> Float[Tensor, "*SB D"]:
        return q.new_zeros(q.shape[:-1])

    def log_p(self, z: Float[Tensor, "*SB D F"], known: Known) -> Float[Tensor, "..."]:
        return self.prior.log_p_of_codes(self.codes(z), known)

    def log_q(self, z: Float[Tensor, "*SB D F"], q: Tensor) -> Float[Tensor, "*SB"]:
        return z.new_zeros(z.shape[:-2])

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        return self.prior.sample(count, known, generator)

    def follows(self) -> bool:
        return self.prior.follows

    def prior_mode(self, known: Known) -> Float[Tensor, "*SB D F"]:
        codes = self.prior.logits_given(known).argmax(-1)
        return _beside(self.quantiser.lookup(codes), codes)

    def log_partition(self) -> Any:
        return self.prior.log_partition()

    # What is seen and stored.

    def flat(self, z: Float[Tensor, "*SB D F"]) -> Float[Tensor, "*SB DE"]:
        return z[..., :-1].flatten(-2)

    def codes(self, z: Float[Tensor, "*SB D F"]) -> Int64[Tensor, "*SB D"]:
        return z[..., -1].detach().long()

    def value(self, codes: Tensor, dtype: torch.dtype) -> Float[Tensor, "*SB D F"]:
        if codes.is_floating_point() and not (codes == codes.round()).all():
            found = float(codes[codes != codes.round()][0])
            raise ValueError(f"`codes` must be whole numbers for {self.name}, got {found:g}.")
        values = self.quantiser.lookup(codes.long())
        return _beside(values.to(torch.promote_types(dtype, values.dtype)), codes.long())

    def summary(self, q: Float[Tensor, "*SB D E"]) -> Float[Tensor, "*SB DE"]:
        return q.flatten(-2)

    def representations(self, q: Float[Tensor, "*SB D E"]) -> dict[str, Tensor]:
        return {"codes": self.flat(self.mode(q)), "vectors": self.summary(q)}

    def alternatives(self) -> Float[Tensor, " N"]:
        last = self.quantiser.num_codes - 1
        return (
            torch.linspace(0, last, min(last + 1, ALTERNATIVES), dtype=torch.float64)
            .round()
            .float()
        )


def _beside(values: Float[Tensor, "*SB D E"], codes: Int64[Tensor, "*SB D"]) -> Tensor:
    """Puts each code behind its vector."""
    return torch.cat([values, codes[..., None].to(values)], -1)
