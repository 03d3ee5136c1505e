"""Later parts of a training, which change how a model is trained, and perhaps its prior."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from discretevae.names import require_count, resolve, shorten
from discretevae.training.schedules import parse_schedule

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.estimators.gradient_estimator import GradientEstimator
    from discretevae.models import VAE
    from discretevae.priors import Prior
    from discretevae.training.options import TrainingOptions

__all__ = ["Phase", "enter", "fit_new_prior", "phase_from"]

WEIGHTS = ("beta", "contrastive", "balance")
"""Schedules that go on where they ended."""
DRAWN, MOST_DRAWS = 200_000, 10
"""About how many codes a new prior is fitted to, and how many of each example at most."""
SEEN, FEW_PASSES, MANY_PASSES, BATCH, RATE = 2_000_000, 5, 30, 250, 3e-3
"""About how many it sees in all, in how many passes, and how it learns."""


@dataclass(frozen=True)
class Phase:
    """One later part of a training: its epochs, and what changes when it begins.

    It starts from the weights that the part before it kept, with a new optimiser, and keeps its own
    best weights. What is left out stays as it was; a schedule stays where it ended, and START:END
    is linear over the phase. The learning rate falls anew.

    Arguments:
        epochs: Passes over the training examples.
        estimator: A name, as the options of a model have it; with its own temperature.
        samples: Of that estimator.
        temperature: As in :class:`TrainingOptions`, as are the others.
        beta: The weight of the KL.
        free_bits: Nats that each latent may cost before they count.
        batch_size: Examples a step.
        learning_rate: At the start of the phase.
        decay: How it falls.
        prior: Name of a new prior: fitted to codes drawn from the posterior, then trained along.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> Phase(epochs=5, estimator="vimco", samples=8, prior="autoregressive").epochs
        5
    """

    epochs: int
    estimator: str | None = None
    samples: int | None = None
    temperature: str | float | None = None
    beta: str | float | None = None
    free_bits: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    decay: str | None = None
    prior: str | None = None

    def __post_init__(self) -> None:
        if self.samples is not None and self.estimator is None:
            raise ValueError(f"`samples` must go with an `estimator`, got {self.samples}.")
        require_count("epochs", self.epochs)

    def after(self, before: "TrainingOptions") -> "TrainingOptions":
        """Gives the options of this part, from those of the part before it.

        Raises:
            ValueError: If one is out of range.
        """
        ended = {name: _end(name, getattr(before, name)) for name in WEIGHTS}
        temperature = before.temperature
        if self.estimator is not None:
            temperature = None
        elif temperature is not None:
            temperature = _end("temperature", temperature)
        return replace(
            before,
            **ended | {"temperature": temperature} | self.changes("temperature", "beta"),
            **self.changes("epochs", "batch_size", "learning_rate", "decay"),
        )

    def changes(self, *names: str) -> dict[str, Any]:
        """Gives those of the fields that it has something for."""
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}


WORDS: dict[type, str] = {int: "a number", float: "a number", str: "text"}
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("epochs", "samples", "batch_size"), (int,)),
    **dict.fromkeys(("estimator", "decay", "prior"), (str,)),
    **dict.fromkeys(("temperature", "beta"), (str, int, float)),
    **dict.fromkeys(("free_bits", "learning_rate"), (int, float)),
}
"""Field → what it may be, in a file that anybody may have written."""


def phase_from(described: Any) -> Phase:
    """Makes a phase of what a file of options says of it.

    Raises:
        ValueError: If it has no epochs, something that a phase has not, or of another kind.

    Example:
        >>> phase_from({"epochs": 3, "prior": "autoregressive"}).prior
        'autoregressive'
    """
    if isinstance(described, Phase):
        return described
    if not isinstance(described, Mapping) or "epochs" not in described:
        got = shorten(repr(described))
        raise ValueError(f"`phases` must be a list of parts that have `epochs`, got {got}.")
    for name, value in described.items():
        kinds = resolve("phases", str(name), KINDS)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            wanted = " or ".join(dict.fromkeys(WORDS[kind] for kind in kinds))
            raise ValueError(f"`{name}` must be {wanted}, got {shorten(repr(value))}.")
    return Phase(**described)


def enter(model: "VAE", phase: Phase, seed: int = 0) -> None:
    """Gives a model what a phase changes of it; a new prior is not fitted yet.

    Its draws follow from the seed, whatever else has been drawn.

    Raises:
        ValueError: If something does not suit the model.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if phase.prior is not None:
            model.with_prior(_prior(model, phase.prior))
        if phase.estimator is not None:
            model.with_estimator(_estimator(phase.estimator, phase.samples))
    if phase.free_bits is not None:
        model.with_free_bits(phase.free_bits)


def _prior(model: "VAE", name: str) -> "Prior":
    """A new prior of the sizes of a model's own."""
    from discretevae.priors import is_over_grids, prior_from_config

    if not model.codes_say_all or model.fitted_afterwards is not None:
        raise ValueError(
            "`prior` must be of a model that has one over all of its codes and trains it along, "
            f"got a {model.kind}."
        )
    over = {"grids": model.grids} if model.grids and is_over_grids(name) else {}
    context = {"context_features": model.context_features}
    made = prior_from_config({"kind": name, **over}, *model.prior.shape, **context)
    return made.to(model.device, model.dtype)


def _estimator(name: str, samples: int | None) -> "GradientEstimator | str":
    from discretevae.models.coded import KINDS as ESTIMATORS

    if samples is None:
        return name
    kind: Any = resolve("estimator", name, ESTIMATORS)
    try:
        made: GradientEstimator = kind(samples=samples)
    except TypeError:
        raise ValueError(f"`samples` must go with an estimator that has it, got {name}.") from None
    return made


def fit_new_prior(model: "VAE", data: "Splits", seed: int = 0) -> list[float]:
    """Fits the prior that a phase brought to codes drawn from the posterior of the training set.

    Returns:
        The history of :func:`fit_prior`; none of a prior that has nothing to fit.
    """
    from discretevae.priors import is_over_grids
    from discretevae.training.prior import draw_codes, fit_over_grids, fit_prior

    if not any(weight.requires_grad for weight in model.prior.parameters()):
        return []
    model.eval()
    if is_over_grids(model.prior.kind):
        history = fit_over_grids(model.prior, model, data, seed, seen=0)
        model.train()
        return history
    draws = max(1, min(MOST_DRAWS, DRAWN // len(data.train)))
    codes = draw_codes(model, data.train, data.binarizer, draws, seed)
    validation = None
    if len(data.validation):
        validation = draw_codes(model, data.validation, data.binarizer, 1, seed + 1)
    passes = min(MANY_PASSES, max(FEW_PASSES, SEEN // len(codes)))
    history = fit_prior(model.prior, codes, passes, BATCH, RATE, seed, validation)
    model.train()
    return history


def _end(name: str, value: str | float) -> float:
    """Where a schedule comes to."""
    return parse_schedule(name, value, steps=1)(sys.maxsize)
