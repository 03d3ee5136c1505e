"""Whether the code is used: shares of categories, perplexity, KL and mutual information."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.data import Batch
from discretevae.evaluation.batches import batches_for
from discretevae.latents import categorical
from discretevae.models import DiscreteVAE
from discretevae.priors import FactorisedPrior

__all__ = ["CodeHealth", "code_health", "collapse_warnings"]

ACTIVE = 0.01
"""A latent is active when it carries at least this mutual information with x, in nats."""
DEAD = 0.001
"""A category is dead when its share of the aggregate posterior is below this."""


@dataclass(frozen=True)
class CodeHealth:
    r"""Statistics of the aggregate posterior :math:`\bar q_d = \frac1N \sum_x q(z_d|x)`.

    The KL of each latent is that to the prior, where the latents are independent under it; `kl`
    is None where they are not. Information is in nats; `usage` holds the shares
    :math:`\bar q_{dk}`, each row summing to one.
    """

    usage: Float[Tensor, "D K"]
    kl: Float[Tensor, " D"] | None
    conditional_entropy: Float[Tensor, " D"]
    distinct_codes: int
    examples: int

    @property
    def perplexity(self) -> Float[Tensor, " D"]:
        """exp H(q̄_d): how many categories of each latent are used, between 1 and K."""
        return self._marginal_entropy.exp()

    @property
    def mutual_information(self) -> Float[Tensor, " D"]:
        """H(q̄_d) − mean H(q(z_d|x)): what each latent tells of x, in nats."""
        return (self._marginal_entropy - self.conditional_entropy).clamp_min(0)

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
def code_health(model: DiscreteVAE, batches: Iterable[Tensor | Batch]) -> CodeHealth:
    """Measures the aggregate posterior over a data set.

    Example:
        >>> model = DiscreteVAE((6,), num_latents=2, num_categories=3)
        >>> health = code_health(model, [torch.zeros(5, 6), torch.ones(5, 6)])
        >>> health.usage.shape, health.examples
        (torch.Size([2, 3]), 10)
    """
    parts, kls = [], []
    for x, context in batches_for(model, batches):
        parts.append(model.logits(x, context))
        if isinstance(model.prior, FactorisedPrior):
            features = model.describe_context(context, (len(x),))
            kls.append(model.prior.kl(parts[-1], features).double())
    logits = torch.cat(parts).double()
    return CodeHealth(
        usage=logits.softmax(-1).mean(0),
        kl=torch.cat(kls).mean(0) if kls else None,
        conditional_entropy=categorical.entropy(logits).mean(0),
        distinct_codes=len(logits.argmax(-1).unique(dim=0)),
        examples=len(logits),
    )


def collapse_warnings(health: CodeHealth) -> list[str]:
    """Says in plain words what has collapsed, and what to change.

    Example:
        >>> ones = torch.ones(1)
        >>> collapsed = CodeHealth(torch.tensor([[1.0, 0.0]]), ones, 0 * ones, 1, 100)
        >>> len(collapse_warnings(collapsed))
        2
    """
    latents, categories = health.usage.shape
    warnings = []
    if health.active_latents < latents:
        warnings.append(
            f"{latents - health.active_latents} of {latents} latents carry almost no information "
            "about the data (posterior collapse). Train longer (--epochs), raise --learning-rate, "
            "lower --beta, or use fewer latents (--num-latents)."
        )
    if health.dead_categories > latents * categories // 4:
        warnings.append(
            f"{health.dead_categories} of {latents * categories} categories are used by fewer "
            "than 0.1 % of examples. Start with a larger --beta (such as 3:1), lower "
            "--learning-rate, use fewer categories (--num-categories), or another --estimator."
        )
    return warnings
