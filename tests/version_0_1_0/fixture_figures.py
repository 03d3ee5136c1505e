"""What a model says of a few examples: written once with version 0.1.0, computed anew by tests."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Draws", "certain_figures", "conditions", "drawn_figures"]

IMPORTANCE = 8
"""Samples of the importance-weighted bound."""

Draws = dict[str, Tensor]
"""Name → independent estimates of a figure, one a row."""


def conditions(context: Tensor | None, *repeats: int) -> dict[str, Tensor]:
    """The argument `context`, repeated in front, where the model has a condition."""
    return {} if context is None else {"context": _repeated(context, *repeats)}


@torch.no_grad()
def certain_figures(model: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """All that needs no draw.

    Arguments:
        model: Of any kind.
        given: `x`, `codes`, one for each example, and where there is one `context`; where a prior
            is asked, `prior_codes`.
    """
    x, codes, context = given["x"], given["codes"], given.get("context")
    c = conditions(context)
    decoded = model.decode(codes, **c)
    found = {
        "encode": model.encode(x, **c),
        "posterior": model.posterior(x, **c),
        "embedding": model.embedding(x, **c),
        "log_prob_given_codes": decoded.log_prob(x),
        "point_given_codes": model.likelihood.point(decoded),
        "reconstruct": model.reconstruct(x, **c),
    }
    if hasattr(model, "continuous"):
        found["continuous"] = model.continuous(x, **c)
    if hasattr(model, "predict"):
        found["predict"] = model.predict(x)
    prior = _prior(model)
    if "prior_codes" in given:
        z = given["prior_codes"]
        if _log_z_is_estimated(prior):
            one_hot = torch.nn.functional.one_hot(z, prior.shape[1]).to(x.dtype)
            found["prior_negative_energy"] = prior.negative_energy(one_hot)
        else:
            features = context if prior.kind == "conditional" else None
            found["prior_log_prob"] = prior.log_prob_of_codes(z, features)
    if getattr(model, "enumerable", False) and not _log_z_is_estimated(prior):
        found["exact_log_likelihood"] = model.exact_log_likelihood(x, **c)
        found["log_likelihood"] = model.log_likelihood(x, **c)
    return found


@torch.no_grad()
def drawn_figures(model: Any, given: dict[str, Tensor], draws: int, seed: int) -> Draws:
    """So many independent estimates of each bound, and of its parts.

    Where log Z of the prior is estimated only the reconstruction is given: its bounds depend on
    how log Z is.
    """
    x, context = given["x"], given.get("context")
    c = conditions(context, draws)
    generator = torch.Generator().manual_seed(seed)
    repeated = _repeated(x, draws)
    if _log_z_is_estimated(_prior(model)):
        codes = model.encode(repeated, True, generator, **c)
        return {"reconstruction": model.decode(codes, **c).log_prob(repeated)}
    terms = model.elbo_terms(repeated, 1, generator, **c)
    found = {
        "reconstruction": terms.reconstruction,
        "kl": terms.kl.expand(terms.reconstruction.shape),
        "elbo": model.elbo(repeated, 1, generator, **c),
        "importance_bound": model.log_likelihood(repeated, IMPORTANCE, generator, **c),
    }
    if hasattr(model, "kl_per_layer"):
        found["kl_per_layer"] = model.kl_per_layer(repeated, 1, generator, **c)
    return found


def mean_and_error(estimates: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the rows, and its standard error."""
    values = estimates.double()
    return values.mean(0).numpy(), (values.std(0) / len(values) ** 0.5).numpy()


def _repeated(x: Tensor, *repeats: int) -> Tensor:
    return x.expand(*repeats, *x.shape)


def _prior(model: Any) -> Any:
    """The prior of the discrete code; that of z where there is a label beside it."""
    prior = getattr(model, "prior", None)
    return getattr(getattr(model, "conditional", None), "prior", None) if prior is None else prior


def _log_z_is_estimated(prior: Any) -> bool:
    return hasattr(prior, "chain_codes")
