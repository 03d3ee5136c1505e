"""The model of a finished run, as commands open it."""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from discretevae.experiments.folder import Run
    from discretevae.experiments.recipe import Recipe
    from discretevae.models import VAE, DiscreteVAE

__all__ = ["as_trained", "require_codes", "require_discrete", "saved_model"]


def saved_model(run: "Run", **trained_with: Any) -> "VAE":
    """Loads the model of a run.

    Raises:
        ValueError: If the run is not finished, or its model is damaged.
    """
    from discretevae.models import from_pretrained

    if not run.model.is_dir():
        raise ValueError(
            f"`RUN` must be a finished run, got {str(run.folder)!r}, which holds no model; "
            f"to go on with it: {run.resume_command}"
        )
    return from_pretrained(run.model, **trained_with)


def as_trained(run: "Run", recipe: "Recipe") -> dict[str, Any]:
    """The estimator and β with which the weights that were kept were trained."""
    from dataclasses import replace
    from math import isnan, nan

    from discretevae.experiments.build_model import build_estimator
    from discretevae.training import best_row

    history = run.read_history("epoch") if run.history.exists() else []
    row = best_row(history) if history else {}
    beta = {"beta": row["beta"]} if "beta" in row else {}
    estimator = build_estimator(recipe.at_end())
    if not isnan(row.get("temperature", nan)):
        estimator = replace(estimator, temperature=row["temperature"])  # type: ignore[type-var]
    return beta if estimator is None else {"estimator": estimator, **beta}


def require_codes(model: "VAE") -> "VAE":
    """Refuses a model whose codes are not class indices and nothing else.

    Raises:
        ValueError: Naming what the model is.
    """
    if not model.codes_say_all:
        raise ValueError(f"`RUN` must be of a model of class indices alone, got a {model.kind}.")
    return model


def require_discrete(model: "VAE") -> "DiscreteVAE":
    """Refuses a model whose code is not D class indices and nothing else.

    Raises:
        ValueError: Naming what the model is.
    """
    if not model.codes_are_classes:
        raise ValueError(f"`RUN` must be of a discrete model, got a {model.kind}.")
    return cast("DiscreteVAE", model)
