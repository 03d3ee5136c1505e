"""What a model is worth against another one of the same data: paired, example by example."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from discretevae.data import Batch
from discretevae.evaluation.bounds import evaluate_bounds
from discretevae.evaluation.figure import Figure, format_value, mean_figure, short_nats
from discretevae.models import VAE

__all__ = ["OVER_REFERENCE", "REFERENCE", "reference_figures", "reference_in_words"]

REFERENCE, OVER_REFERENCE = "reference", "over_reference"
"""The figures' names in the record."""


def reference_figures(
    model: VAE,
    reference: VAE,
    batches: Callable[[], Iterable[Tensor | Batch]],
    seed: int = 0,
    log_volume: float = 0.0,
) -> dict[str, Figure]:
    """Gives the ELBO of another model of the same data, and how far the model is above it.

    Of the difference the standard error is that of the pairs, which is smaller than those of the
    two: examples that are hard for one are hard for the other.

    Arguments:
        model: What is evaluated.
        reference: The other.
        batches: Of the same examples, with the same draws, at each call.
        seed: Of the samples of both.
        log_volume: What is added to every bound, for the units of the source.
    """
    ours, theirs = (_elbo(each, batches(), seed) for each in (model, reference))
    note = f"ELBO of another model of the same data, {reference.describe()}"
    return {
        REFERENCE: mean_figure(theirs + log_volume, note=note),
        OVER_REFERENCE: mean_figure(ours - theirs, note="ELBO − reference, by pairs"),
    }


def _elbo(model: VAE, batches: Iterable[Tensor | Batch], seed: int) -> Tensor:
    was_training = model.training
    model.eval()
    try:
        draws = torch.Generator(model.device).manual_seed(int(seed))
        return evaluate_bounds(model, batches, draws).elbo
    finally:
        model.train(was_training)


def reference_in_words(figures: Mapping[str, Mapping[str, Any]], reference: str) -> str | None:
    """Says how a model compares with another one.

    Arguments:
        figures: Of one split, as `evaluate` gives them.
        reference: What the other is, "a Gaussian VAE".

    Returns:
        A sentence; None where the figures have no other model.

    Example:
        >>> apart = {"value": -0.5, "se": 0.05}
        >>> figures = {"elbo": {"value": -22.5}, "reference": {"value": -22.0}}
        >>> reference_in_words({**figures, "over_reference": apart}, "a Gaussian VAE")
        'The bound is 0.50 ± 0.05 nats an example below that of a Gaussian VAE \
(−22.5 against −22.0).'
    """
    if OVER_REFERENCE not in figures or "elbo" not in figures:
        return None
    apart = figures[OVER_REFERENCE]
    pair = " against ".join(short_nats(figures[name]["value"]) for name in ("elbo", REFERENCE))
    side = "above" if apart["value"] >= 0 else "below"
    size = format_value(abs(apart["value"]), apart["se"])
    return f"The bound is {size} nats an example {side} that of {reference} ({pair})."
