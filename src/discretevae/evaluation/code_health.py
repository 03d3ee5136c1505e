"""Whether the code is used: shares of categories, perplexity, KL and mutual information."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.data import Batch
from discretevae.evaluation.batches import batches_for
from discretevae.latents import categorical, is_enumerable
from discretevae.models import VAE

__all__ = ["CodeHealth", "code_health"]

ACTIVE = 0.01
"""A latent is active when it carries at least this mutual information with x, in nats."""
DEAD = 0.001
"""A category is dead when its share of the aggregate posterior is below this."""
CODES = 4096
"""The most codes whose aggregate posterior is summed over."""
ENTRIES = 2**22
"""Pairs of a code and an example that are looked at together."""


@dataclass(frozen=True)
class CodeHealth:
    r"""Statistics of the aggregate posterior :math:`\bar q_d = \frac1N \sum_x q(z_d|x)`.

    The KL of each latent is that to the prior, where the latents are independent under it; `kl`
    is None where they are not. Information is in nats; `usage` holds the shares
    :math:`\bar q_{dk}`, each row summing to one.

    What the latents tell of x one by one adds up to more than the code tells, where they repeat
    each other, by their total correlation under :math:`\bar q(z) = \frac1N \sum_x q(z|x)`:

    .. math:: I(z; x) = \sum_d I(z_d; x) - \mathrm{TC}(z), \qquad
        \mathrm{TC}(z) = \sum_d H(\bar q_d) - H(\bar q) \ge 0

    `code_entropy` is :math:`H(\bar q)` in nats, None where the codes are too many to sum over.
    """

    usage: Float[Tensor, "D K"]
    kl: Float[Tensor, " D"] | None
    conditional_entropy: Float[Tensor, " D"]
    distinct_codes: int
    examples: int
    code_entropy: float | None = None

    @property
    def perplexity(self) -> Float[Tensor, " D"]:
        """exp H(q̄_d): how many categories of each latent are used, between 1 and K."""
        return self._marginal_entropy.exp()

    @property
    def mutual_information(self) -> Float[Tensor, " D"]:
        """H(q̄_d) − mean H(q(z_d|x)): what each latent tells of x, in nats."""
        return (self._marginal_entropy - self.conditional_entropy).clamp_min(0)

    @property
    def code_information(self) -> float | None:
        """H(q̄) − mean H(q(z|x)): what the whole code tells of x, at most log N, in nats."""
        if self.code_entropy is None:
            return None
        return max(0.0, self.code_entropy - float(self.conditional_entropy.sum()))

    @property
    def active_latents(self) -> int:
        """Latents whose mutual information with x is at least 0.01 nats."""
        return int((self.mutual_information >= ACTIVE).sum())

    @property
    def dead_categories(self) -> int:
        """Categories, over all latents, with a share below 0.1 %."""
        return int((self.usage < DEAD).sum())

    @property
    def _marginal_entropy(self) -> Float[Tensor, " D"]:
        return torch.special.entr(self.usage).sum(-1)


@torch.no_grad()
def code_health(model: VAE, batches: Iterable[Tensor | Batch]) -> CodeHealth:
    """Measures the aggregate posterior over a data set.

    Raises:
        ValueError: If the model has not one categorical code.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((6,), num_latents=2, num_categories=3)
        >>> health = code_health(model, [torch.zeros(5, 6), torch.ones(5, 6)])
        >>> health.usage.shape, health.examples
        (torch.Size([2, 3]), 10)
    """
    variable = model.categorical
    if variable is None:
        raise ValueError(f"`model` must have one categorical code, got a {model.kind}.")
    usage, kl, entropy, shares = (torch.zeros((), dtype=torch.float64) for _ in range(4))
    codes = []
    for x, context in batches_for(model, batches):
        known = model.known(x, context)
        q = variable.q(known)
        logits = q.double()
        usage = usage + logits.softmax(-1).sum(0)
        entropy = entropy + categorical.entropy(logits).sum(0)
        codes.append(logits.argmax(-1))
        if variable.closed:
            kl = kl + variable.kl(q, known).double().sum(0)
        if is_enumerable(logits.shape[1], logits.shape[2], CODES):
            shares = shares + _sum_of_shares(logits)
    found = torch.cat(codes)
    n = len(found)
    return CodeHealth(
        usage=usage / n,
        kl=kl / n if variable.closed else None,
        conditional_entropy=entropy / n,
        distinct_codes=len(found.unique(dim=0)),
        examples=n,
        code_entropy=float(torch.special.entr(shares / n).sum()) if shares.ndim else None,
    )


def _sum_of_shares(logits: Float[Tensor, "N D K"]) -> Float[Tensor, " C"]:
    """Σ q(z|x) of all C = K^D codes."""
    rows = max(1, ENTRIES // logits.shape[2] ** logits.shape[1])
    return torch.stack([_code_shares(part).sum(0) for part in logits.split(rows)]).sum(0)


def _code_shares(logits: Float[Tensor, "N D K"]) -> Float[Tensor, "N C"]:
    """q(z|x) of all C = K^D codes."""
    first, *others = logits.softmax(-1).unbind(1)
    for q in others:
        first = (first[:, :, None] * q[:, None, :]).flatten(1)
    return first
