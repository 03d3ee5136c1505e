"""What a model is worth: how much better its bound is than no code at all."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.data import Batch, as_batch
from discretevae.evaluation.figure import short_nats
from discretevae.likelihoods import Likelihood

__all__ = ["NO_CODE", "gain_in_words", "log_prob_without_code"]

NO_CODE = "no_code"
"""The figure's name in the record."""


@torch.no_grad()
def log_prob_without_code(
    likelihood: Likelihood, seen: Float[Tensor, "N *event"], batches: Iterable[Tensor | Batch]
) -> Float[Tensor, " n"] | None:
    """Gives log p(x) of the best model without a code: dimensions independent of each other.

    Each has the distribution that the likelihood knows, with the values of the examples seen: the
    mean of a pixel, mean and spread of a column, the share of each category or token. Of a
    Gaussian likelihood the spread is one for all, as the likelihood has it.

    Arguments:
        likelihood: Of the model; it is left as it is.
        seen: Training examples.
        batches: Those to be measured.

    Returns:
        Nats per example; None where the likelihood knows no such model.

    Example:
        >>> from discretevae.likelihoods import BernoulliLikelihood
        >>> seen = torch.tensor([[1.0], [1.0], [1.0], [0.0]])
        >>> log_prob_without_code(BernoulliLikelihood(), seen, [torch.ones(1, 1)]).exp()
        tensor([0.7000])
    """
    log_prob = likelihood.without_code(seen)
    if log_prob is None:
        return None
    return torch.cat([log_prob(as_batch(batch).x).cpu() for batch in batches])


def gain_in_words(
    figures: Mapping[str, Mapping[str, Any]],
    discrete: bool,
    autoregressive: bool = False,
    apart: str = "dimensions",
) -> str | None:
    """Says how much better the ELBO of some examples is than no code at all.

    Arguments:
        figures: Of one split, as `evaluate` gives them.
        discrete: Whether log p is of probabilities, of which a part can be told.
        autoregressive: Whether each is written given those before, which says much without a code.
        apart: What is independent in a model without one.

    Returns:
        A sentence; None where the figures have no model without a code.

    Example:
        >>> figures = {"elbo": {"value": -160.0}, "no_code": {"value": -200.0}}
        >>> print(gain_in_words(figures, discrete=True))
        The code is worth 40.0 nats an example, 20 % of what a model without one needs, whose \
dimensions are independent (−160.0 against −200.0).
    """
    if NO_CODE not in figures or "elbo" not in figures:
        return None
    elbo, without = float(figures["elbo"]["value"]), float(figures[NO_CODE]["value"])
    gain, pair = elbo - without, f"({short_nats(elbo)} against {short_nats(without)})"
    if autoregressive and "kl" in figures:
        kl = short_nats(float(figures["kl"]["value"]))
        return (
            f"The code says {kl} nats of an example, its KL. The bound is {short_nats(gain)} nats "
            f"above independent {apart} {pair}; the rest is the work of what writes each after "
            "those before."
        )
    if gain <= 0:
        return (
            f"The code is worth nothing: the bound is {short_nats(-gain)} nats an example below a "
            f"model without one, whose {apart} are independent {pair}."
        )
    against = f"{100 * gain / -without:.0f} % of what a model without one needs"
    return (
        f"The code is worth {short_nats(gain)} nats an example, "
        f"{against if discrete else 'more than a model without one'}, "
        f"whose {apart} are independent {pair}."
    )
