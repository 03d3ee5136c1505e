"""The prior of one variable, given the condition and the variables known before it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.latents import categorical
from discretevae.latents.variables.known import Known

__all__ = ["LogitsGiven", "PriorAlone", "PriorGiven", "PriorOfBlock", "PriorOfLevel", "joined"]


class PriorGiven(ABC):
    """p(z | …) of D categoricals.

    Attributes:
        closed: Whether `kl` is in closed form once its own q is known.
        follows: Whether it rests on variables that the prior draws before.
    """

    closed: bool
    follows: bool = False

    @abstractmethod
    def kl(self, q: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "*SB D"]:
        """Gives the KL of each latent, in nats."""

    @abstractmethod
    def log_p(self, z: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "..."]:
        """Gives log p(z | …) in nats: reported."""

    def trained_log_p(self, z: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "..."]:
        """Gives log p(z | …) as training has it."""
        return self.log_p(z, known)

    def log_p_of_codes(self, codes: Int[Tensor, "*SB D"], known: Known) -> Float[Tensor, "..."]:
        """Gives log p(z | …) in nats of class indices: reported."""
        raise NotImplementedError(f"{type(self).__name__} has no log p of class indices.")

    def trained_log_p_of_codes(
        self, codes: Int[Tensor, "*SB D"], known: Known
    ) -> Float[Tensor, "..."]:
        """Gives log p(z | …) of class indices as training has it."""
        return self.log_p_of_codes(codes, known)

    @abstractmethod
    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        """Draws codes as class indices."""

    def logits_given(self, known: Known) -> Float[Tensor, "*SB D K"]:
        """Gives the logits of a prior that follows other variables."""
        raise NotImplementedError(f"{type(self).__name__} follows no other variable.")

    def log_partition(self) -> Any:
        """Gives both ends of the log Z on which `log_p` rests; none where that is exact."""
        return None


@dataclass(frozen=True)
class PriorAlone(PriorGiven):
    """A prior that may depend on the condition, and on no other variable."""

    prior: Any

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether its KL has a closed form."""
        return self.prior.closed

    def log_partition(self) -> Any:
        return self.prior.log_partition_estimate()

    def kl(self, q: Tensor, known: Known) -> Float[Tensor, "*SB D"]:
        return self.prior.kl(q, known.context)

    def log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.log_prob(z, known.context)

    def trained_log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.trained_log_prob(z, known.context)

    def log_p_of_codes(self, codes: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.log_prob_of_codes(codes, known.context)

    def trained_log_p_of_codes(self, codes: Tensor, known: Known) -> Float[Tensor, "..."]:
        return self.prior.trained_log_prob_of_codes(codes, known.context)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        return self.prior.sample(count, generator, known.context)


@dataclass(frozen=True)
class LogitsGiven(PriorGiven):
    """A product of categoricals whose logits depend on other variables.

    Arguments:
        logits: Of p, from what is known.
        closed: Whether the variables that they depend on are known before this one.
    """

    logits: Callable[[Known], Tensor]
    closed: bool = True
    follows: bool = True

    def logits_given(self, known: Known) -> Float[Tensor, "*SB D K"]:
        return self.logits(known)

    def kl(self, q: Tensor, known: Known) -> Float[Tensor, "*SB D"]:
        return categorical.kl_divergence(q, self.logits(known))

    def log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        return (z * self.logits(known).log_softmax(-1)).sum((-2, -1))

    def log_p_of_codes(self, codes: Tensor, known: Known) -> Float[Tensor, "..."]:
        log_p, rows = torch.broadcast_tensors(self.logits(known).log_softmax(-1), codes[..., None])
        return log_p.gather(-1, rows[..., :1]).squeeze(-1).sum(-1)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        return categorical.sample(self.logits(known), 1, generator)[0].argmax(-1)


@dataclass(frozen=True)
class PriorOfLevel(PriorGiven):
    r"""One grid of a prior over several, :math:`p(z_l | z_{<l})`, of variables that are points.

    Arguments:
        prior: Of all grids.
        level: l, from 0.
        before: The variables of the grids before it, in their order.
    """

    prior: Any
    level: int
    before: Sequence[Any]
    closed: bool = False

    def _codes_before(self, known: Known, like: Tensor) -> Int[Tensor, "*SB P"]:
        found = [v.codes(known.values[v.name]) for v in self.before]
        batch = torch.broadcast_shapes(like.shape[:-1], *(part.shape[:-1] for part in found))
        empty = torch.empty(*batch, 0, dtype=torch.int64, device=like.device)
        return torch.cat([empty, *(part.expand(*batch, -1) for part in found)], -1)

    def kl(self, q: Tensor, known: Known) -> Float[Tensor, "*SB D"]:
        raise NotImplementedError("The KL to a prior over several grids has no closed form.")

    def log_p(self, z: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "..."]:
        return self.log_p_of_codes(z.argmax(-1), known)

    def log_p_of_codes(self, codes: Int[Tensor, "*SB D"], known: Known) -> Float[Tensor, "..."]:
        before = self._codes_before(known, codes)
        codes = codes.expand(*before.shape[:-1], -1)
        return self.prior.log_prob_of_level(self.level, codes, before)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        none = torch.empty(count, 0, dtype=torch.int64, device=next(self.prior.parameters()).device)
        return self.prior.sample_level(self.level, self._codes_before(known, none), generator)


@dataclass(frozen=True)
class PriorOfBlock(PriorGiven):
    """One block of latents under a prior over all of them.

    Where the KL is in closed form it is that of the block's own latents. log p is that of the whole
    code, with the block that is inferred last, and 0 with those before: only their sum is log p(z).

    Arguments:
        prior: Of all latents.
        start: How many stand before the block.
        before: The variables of the blocks before it.
        last: Whether none is after it.
    """

    prior: Any
    start: int
    before: Sequence[str]
    last: bool

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether its KL has a closed form."""
        return self.prior.closed

    def kl(self, q: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "*SB D"]:
        end = self.start + q.shape[-2]
        whole = torch.nn.functional.pad(q, (0, 0, self.start, self.prior.shape[0] - end))
        return self.prior.kl(whole, known.context)[..., self.start : end]

    def log_p(self, z: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "..."]:
        return self._of_last(self.prior.log_prob, z, known)

    def trained_log_p(self, z: Float[Tensor, "*SB D K"], known: Known) -> Float[Tensor, "..."]:
        return self._of_last(self.prior.trained_log_prob, z, known)

    def _of_last(
        self, log_prob: Callable[..., Tensor], z: Tensor, known: Known
    ) -> Float[Tensor, "..."]:
        if not self.last:
            return z.new_zeros(())
        return log_prob(joined([*(known.values[name] for name in self.before), z]), known.context)

    def sample(
        self, count: int, known: Known, generator: torch.Generator | None
    ) -> Int[Tensor, "count D"]:
        raise NotImplementedError("A prior over all latents draws them together.")

    def log_partition(self) -> Any:
        return self.prior.log_partition_estimate()


def joined(blocks: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "*SB D K"]:
    """Puts blocks of one-hot codes side by side, each repeated for the samples that it lacks.

    Example:
        >>> joined([torch.zeros(5, 2, 3), torch.zeros(4, 1, 1, 3)]).shape
        torch.Size([4, 5, 3, 3])
    """
    rows = torch.broadcast_shapes(*(block.shape[:-2] for block in blocks))
    return torch.cat([block.expand(*rows, *block.shape[-2:]) for block in blocks], -2)
