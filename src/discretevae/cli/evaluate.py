"""The command that evaluates a run again."""

from dataclasses import replace
from typing import Any

from discretevae.cli.saved import as_trained, saved_model
from discretevae.cli.train import stored_recipe
from discretevae.names import require_count, require_seed

__all__ = ["evaluate"]


def evaluate(
    run: str,
    *,
    importance_samples: int | None = None,
    seed: int | None = None,
    gaussian: bool = False,
) -> None:
    """Evaluate a run again: true bounds with standard errors, and the health of the code.

    Args:
        run: Folder of the run.
        importance_samples: S of the importance-weighted log-likelihood, 0 leaves it out; by
            default as many as the run has.
        seed: Of the samples; by default the run's.
        gaussian: Compare with a Gaussian VAE of the same data, network and training, as many
            latents. It is trained first, which takes about as long as the run did, and kept in
            RUN/gaussian.

    Examples:
        discretevae evaluate runs/digits-4x8
        discretevae evaluate runs/digits-4x8 --gaussian
    """
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.folder import Run, held
    from discretevae.experiments.reference import gaussian_beside
    from discretevae.pages.publish import publish

    require_count("importance_samples", importance_samples or 0, 0)
    require_seed(seed or 0)
    given: dict[str, Any] = {"importance_samples": importance_samples, "seed": seed}
    opened = Run.open(run)
    with held(opened.folder):
        recipe = stored_recipe(opened)
        model = saved_model(opened, **as_trained(opened, recipe))
        data = load_again(recipe, opened.read_schema())
        changes = {name: value for name, value in given.items() if value is not None}
        beside = gaussian_beside(opened, recipe, data) if gaussian else None
        changed = replace(recipe, **changes)
        publish(opened, model, data, changed, reference=beside, every_figure=True)
