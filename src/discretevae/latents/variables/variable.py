"""What a chain asks of one of its latent variables."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents.variables.known import Known

__all__ = ["Variable"]


class Variable(ABC):
    """A latent variable: its posterior, its prior, an expectation, a cost, and what is seen of it.

    Values have shape (*SB, *event), parameters of q (*SB, *parameters). What is **trained**
    (`expect`, `cost`, `trained_log_p`) and what is **reported** (`kl`, `log_p`, `log_q`) are
    different methods and may differ.

    Attributes:
        name: Under which its value is known to the variables after it.
        event_dims: Dimensions of one value.
        parameter_dims: Dimensions of what describes its q.
        enumerated: Whether a reported expectation over it is the sum over its values.
        point: Whether q is all at one value, so that every draw is the same.
    """

    point: ClassVar[bool] = False
    name: str
    event_dims: ClassVar[int]
    parameter_dims: ClassVar[int] = 2
    enumerated: bool = False

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers of its code, as `codes` stores it."""

    @property
    @abstractmethod
    def classes(self) -> tuple[int, ...] | None:
        """How many values each number of its code has; none where it is continuous."""

    @property
    def closed(self) -> bool:
        """Whether KL(q ‖ p) has a closed form once its q is known, else log p is estimated."""
        return True

    @property
    def joins(self) -> bool:
        """Whether training has log p expected with the likelihood."""
        return not self.closed

    @abstractmethod
    def q(self, known: Known) -> Tensor:
        """Gives the parameters of the posterior, given x and the variables before."""

    @abstractmethod
    def draw(self, q: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        """Draws hard values from q, (S, *SB, *event)."""

    @abstractmethod
    def mode(self, q: Tensor) -> Tensor:
        """Gives the value that stands for q: the most probable."""

    @abstractmethod
    def expect(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "*SB"]:
        """Estimates E_q[f] with the gradient that training uses."""

    @abstractmethod
    def average(
        self, f: Callable[[Tensor], Tensor], q: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Gives E_q[f], without a gradient, of an f with values (S, *SB, …)."""

    @abstractmethod
    def cost(self, q: Tensor, known: Known) -> Float[Tensor, "*SB D"]:
        """Gives what each latent costs in training: KL, minus the entropy, or nothing."""

    def trained_log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        """Gives log p(z | …) as training has it."""
        return self.log_p(z, known)

    @abstractmethod
    def kl(self, q: Tensor, known: Known) -> Float[Tensor, "*SB D"]:
        """Gives KL(q ‖ p) of each latent in nats where it is closed, else minus the entropy."""

    @abstractmethod
    def log_p(self, z: Tensor, known: Known) -> Float[Tensor, "..."]:
        """Gives log p(z | …) in nats."""

    @abstractmethod
    def log_q(self, z: Tensor, q: Tensor) -> Float[Tensor, "*SB"]:
        """Gives log q(z | x, …) in nats."""

    @abstractmethod
    def sample(self, count: int, known: Known, generator: torch.Generator | None) -> Tensor:
        """Draws codes from the prior, given the variables that come first in it."""

    @abstractmethod
    def flat(self, z: Tensor) -> Float[Tensor, "*SB F"]:
        """Gives what networks see of a value."""

    @abstractmethod
    def codes(self, z: Tensor) -> Tensor:
        """Gives what is stored of a value, (*SB, width)."""

    @abstractmethod
    def value(self, codes: Tensor, dtype: torch.dtype) -> Tensor:
        """Gives the value of what was stored.

        Raises:
            ValueError: If it stands for none.
        """

    def points(self, q: Tensor) -> tuple[Tensor, Float[Tensor, "N *SB"]]:
        """Gives all values of a variable that is enumerated, and the probability of each."""
        raise NotImplementedError(f"{type(self).__name__} is not enumerated.")

    def summary(self, q: Tensor) -> Float[Tensor, "*SB E"]:
        """Gives q as a vector that can be compared."""
        return self.flat(q)

    @abstractmethod
    def representations(self, q: Tensor) -> dict[str, Float[Tensor, "*SB F"]]:
        """Gives what q says of each example, by name, as rows that clustering and probes take."""

    @abstractmethod
    def alternatives(self) -> Float[Tensor, " N"]:
        """Lists what one number of a code may be changed to, to see what it does."""

    def follows(self) -> bool:
        """Whether its prior rests on variables that the prior draws before it."""
        return False

    def prior_mode(self, known: Known) -> Tensor:
        """Gives the most probable value under a prior that follows others."""
        raise NotImplementedError(f"{self.name} follows no other variable.")

    def log_partition(self) -> Any:
        """Gives both ends of the log Z on which its log p rests; none where that is exact."""
        return None
