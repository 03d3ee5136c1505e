"""Bounds on log p(x), example by example, over a whole data set."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.models import VAE, DiscreteVAE

__all__ = ["Bounds", "evaluate_bounds", "evaluate_log_likelihood"]


@dataclass(frozen=True)
class Bounds:
    """Per-example terms in nats: hard samples, β = 1, whatever the model was trained with."""

    reconstruction: Float[Tensor, " N"]
    kl: Float[Tensor, " N"]
    objective: Float[Tensor, " N"]

    @property
    def elbo(self) -> Float[Tensor, " N"]:
        """The true bound, reconstruction − KL."""
        return self.reconstruction - self.kl


@torch.no_grad()
def evaluate_bounds(
    model: VAE,
    batches: Iterable[Tensor],
    generator: torch.Generator | None = None,
    samples: int = 1,
) -> Bounds:
    """Computes the terms of the ELBO and, beside them, the trained surrogate.

    Raises:
        ValueError: If the data lie outside the support of the likelihood.
    """
    parts = [_bounds(model, x, generator, samples) for x in batches]
    return Bounds(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Bounds)))


def _bounds(model: VAE, x: Tensor, generator: torch.Generator | None, samples: int) -> Bounds:
    model.likelihood.check(x)
    terms = model.elbo_terms(x, samples, generator)
    return Bounds(terms.reconstruction, terms.kl, model.objective(x, generator))


@torch.no_grad()
def evaluate_log_likelihood(
    model: VAE,
    batches: Iterable[Tensor],
    samples: int | None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " N"]:
    """Computes the importance-weighted bound with S samples, or log p(x) itself for None.

    Raises:
        EnumerationError: If `samples` is None and the codes are too many to enumerate.
    """
    estimate: Callable[[Tensor], Tensor]
    if samples is None:
        assert isinstance(model, DiscreteVAE)
        estimate = model.exact_log_likelihood
    else:
        estimate = lambda x: model.log_likelihood(x, samples, generator)  # noqa: E731
    return torch.cat([estimate(x) for x in batches])
