"""The command that gives a trained model a better prior."""

from discretevae.cli.options import choices
from discretevae.texts import say

__all__ = ["prior"]


@choices(kind=("learned", "autoregressive", "boltzmann", "pixelcnn", "transformer"))
def prior(
    run: str,
    *,
    kind: str = "autoregressive",
    epochs: int = 20,
    draws: int = 3,
    batch_size: int = 250,
    learning_rate: float = 1e-3,
    importance_samples: int | None = None,
    output: str | None = None,
    overwrite: bool = False,
) -> None:
    """Fit another prior to the codes of a run, and evaluate its model with it as a new run.

    Encoder and decoder stay as they are, so that the ELBO rises by what the prior learns. This is
    often better than training such a prior from the start, when the code does not mean much yet.

    Args:
        run: Folder of the run, of a discrete model without a condition.
        kind: learned, autoregressive, boltzmann, pixelcnn or transformer.
        epochs: Passes over the codes.
        draws: Codes drawn from the posterior of each training example.
        batch_size: Codes a step.
        learning_rate: Of Adam.
        importance_samples: S of the importance-weighted log-likelihood, 0 leaves it out; by
            default as many as the run has.
        output: Folder of the new run; by default RUN-KIND.
        overwrite: Replace the run that is in --output.

    Examples:
        discretevae prior runs/digits-4x8
        discretevae prior runs/photos-vq --kind transformer --epochs 50
    """
    from dataclasses import replace
    from pathlib import Path

    import torch

    from discretevae.cli.saved import require_codes, saved_model
    from discretevae.cli.train import stored_recipe
    from discretevae.codes.batches import sizes_of
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.folder import Run, held
    from discretevae.names import require_count, resolve
    from discretevae.pages.publish import publish
    from discretevae.priors import PRIORS, is_over_grids, prior_from_config
    from discretevae.training.prior import draw_codes, fit_prior

    resolve("kind", kind, PRIORS)
    require_count("draws", draws, 1)
    require_count("importance_samples", importance_samples or 0, 0)
    opened = Run.open(run)
    model, recipe = require_codes(saved_model(opened)), stored_recipe(opened)
    if model.context_shape is not None:
        raise ValueError("`RUN` must be of a model without a condition, got one with.")
    data = load_again(recipe, opened.read_schema())
    torch.manual_seed(recipe.seed)
    over = {"grids": model.grids} if model.grids and is_over_grids(kind) else {}
    fitted = prior_from_config({"kind": kind, **over}, *sizes_of(model))
    validation = data.validation if len(data.validation) else data.train
    history = fit_prior(
        fitted,
        draw_codes(model, data.train, data.binarizer, draws, recipe.seed),
        epochs,
        batch_size,
        learning_rate,
        recipe.seed,
        draw_codes(model, validation, data.binarizer, 1, recipe.seed + 1),
    )
    model.with_prior(fitted.eval())
    recipe = replace(recipe, prior=kind)
    if importance_samples is not None:
        recipe = replace(recipe, importance_samples=importance_samples)
    folder = Path(output) if output else opened.folder.with_name(f"{opened.folder.name}-{kind}")
    with held(folder):
        created = Run.create(folder, recipe.as_dict(), overwrite)
        model.save_pretrained(created.model)
        say(f"log p(z) of new codes: {history[0]:.2f} before, {max(history):.2f} nats after")
        publish(created, model, data, recipe)
