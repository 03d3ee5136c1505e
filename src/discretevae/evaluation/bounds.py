"""Bounds on log p(x), example by example, over a whole data set."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from discretevae.data import Batch
from discretevae.evaluation.batches import batches_for
from discretevae.models import VAE
from discretevae.names import require_count

__all__ = ["Bounds", "evaluate_bounds", "evaluate_log_likelihood"]


@dataclass(frozen=True)
class Bounds:
    """Per-example terms in nats: hard samples, β = 1, whatever the model was trained with."""

    reconstruction: Float[Tensor, " N"]
    kl: Float[Tensor, " N"]
    objective: Float[Tensor, " N"]
    dimensions: Int64[Tensor, " N"]
    """How many of each example were observed, as its likelihood counts them."""

    @property
    def elbo(self) -> Float[Tensor, " N"]:
        """The true bound, reconstruction − KL."""
        return self.reconstruction - self.kl


@torch.no_grad()
def evaluate_bounds(
    model: VAE,
    batches: Iterable[Tensor | Batch],
    generator: torch.Generator | None = None,
    samples: int = 1,
) -> Bounds:
    """Computes the terms of the ELBO and, beside them, the trained surrogate.

    Raises:
        ValueError: If there are no batches, or the data lie outside the support of the likelihood.
    """
    require_count("samples", samples)
    parts = [_bounds(model, *batch, generator, samples) for batch in batches_for(model, batches)]
    return Bounds(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Bounds)))


def _bounds(
    model: VAE,
    x: Tensor,
    context: Tensor | None,
    generator: torch.Generator | None,
    samples: int,
) -> Bounds:
    model.likelihood.check(x)
    terms = model.elbo_terms(x, samples, generator, context)
    objective = model.objective(x, generator, context)
    return Bounds(terms.reconstruction, terms.kl, objective, model.likelihood.dimensions(x))


@torch.no_grad()
def evaluate_log_likelihood(
    model: VAE,
    batches: Iterable[Tensor | Batch],
    samples: int | None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " N"]:
    """Computes the importance-weighted bound with S samples, or log p(x) itself for None.

    Raises:
        EnumerationError: If `samples` is None and the codes are too many to enumerate.
    """
    estimate: Callable[[Tensor, Tensor | None], Tensor]
    if samples is None:
        exact: Any = model  # one that can be enumerated
        estimate = lambda x, c: exact.exact_log_likelihood(x, context=c)  # noqa: E731
    else:
        estimate = lambda x, c: model.log_likelihood(x, samples, generator, c)  # noqa: E731
    return torch.cat([estimate(*batch) for batch in batches_for(model, batches)])
