"""What a model asks of a prior over codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.latents import categorical, to_one_hot
from discretevae.priors.log_partition import LogPartition

__all__ = ["Choose", "FactorisedPrior", "Prior", "drawn"]

Choose = Callable[[Float[Tensor, "count K"]], Int[Tensor, " count"]]
"""Chooses a class of one latent by its logits."""


def drawn(generator: torch.Generator | None) -> Choose:
    """Chooses at random, with the probabilities of the logits."""
    return lambda logits: categorical.sample(logits[:, None], 1, generator)[0, :, 0].argmax(-1)


class Prior(nn.Module, ABC):
    """A distribution p(z), or p(z|c), over codes of D latents with K classes.

    The context c comes as features (*B, C); a prior without a condition takes no notice of it.
    """

    kind: ClassVar[str]
    closed: ClassVar[bool] = False
    """Whether `kl` gives the KL of each latent in closed form."""
    conditional: ClassVar[bool] = False
    """Whether it is p(z|c)."""
    over_grids: ClassVar[bool] = False
    """Whether it is told in which grids the latents stand, and has each given those before."""
    estimates: ClassVar[tuple[str, ...]] = ()
    """Buffers that hold what was estimated from the weights, and are no part of p(z)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """The sizes (D, K) of a code."""

    @abstractmethod
    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Gives log p(z) in nats of one-hot codes; with its graph, also of relaxed ones.

        This is what is reported: of the weights as they are, in every mode, and never above the
        truth on average where a normaliser has to be estimated.
        """

    @abstractmethod
    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        """Draws codes as class indices."""

    def trained_log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Gives what training maximises: log p(z), or something cheaper of about its gradient.

        For no reported figure: the value may be of earlier weights.
        """
        return self.log_prob(z, context)

    def logits_along(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log p(z_d | z_<d) of every class of every latent.

        Raises:
            ValueError: If the prior has no such order.
        """
        raise ValueError(
            f"`prior` must be one whose latents follow one given those before it, got {self.kind}."
        )

    @torch.no_grad()
    def one_by_one(self, count: int, choose: Choose) -> Int[Tensor, "count D"]:
        """Chooses the latents of codes in their order, each by its logits given those before it.

        Raises:
            ValueError: If the prior has no such order.
        """
        like = next((t for t in (*self.parameters(), *self.buffers())), torch.zeros(()))
        z = like.new_zeros(count, *self.shape)
        codes = []
        for d in range(self.shape[0]):
            codes.append(choose(self.logits_along(z)[:, d]))
            z[:, d] = to_one_hot(codes[d], self.shape[1], z.dtype)
        return torch.stack(codes, -1)

    def log_partition_estimate(self) -> LogPartition | None:
        """Gives both ends of log Z of these weights; None where p(z) is exact."""
        return None

    def log_prob_of_codes(
        self, codes: Int[Tensor, "*SB D"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Gives log p(z) in nats of class indices."""
        return self.log_prob(self.one_hot(codes), context)

    def trained_log_prob_of_codes(
        self, codes: Int[Tensor, "*SB D"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Gives what training maximises, of class indices."""
        return self.log_prob_of_codes(codes, context)

    def one_hot(self, codes: Int[Tensor, "*SB D"]) -> Float[Tensor, "*SB D K"]:
        """Turns class indices into the vectors that `log_prob` takes."""
        dtype = next((t.dtype for t in (*self.parameters(), *self.buffers())), None)
        return to_one_hot(codes, self.shape[1], dtype)

    def config(self) -> dict[str, Any]:
        """Describes in plain types all that rebuilds the prior around its weights."""
        return {"kind": self.kind}


class FactorisedPrior(Prior):
    r"""A prior under which the latents are independent: its KL is in closed form.

    .. math:: \mathrm{KL}(q \| p) = \sum_d \mathrm{KL}(q(z_d|x) \| p(z_d))
    """

    closed: ClassVar[bool] = True

    @abstractmethod
    def kl(
        self, logits: Float[Tensor, "*B D K"], context: Float[Tensor, "*#B C"] | None = None
    ) -> Float[Tensor, "*B D"]:
        """Gives KL(q ‖ p) of each latent in nats, q being the product with these logits."""

    def logits_along(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB D K"]:
        # Of independent latents log p(z) is linear in z: its gradient is log p(z_d = k).
        one = z.new_zeros(self.shape).requires_grad_()
        with torch.enable_grad():
            (log_p,) = torch.autograd.grad(self.log_prob(one), one)
        return log_p.expand(z.shape)
