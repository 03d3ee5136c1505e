"""The command that trains and compares architectures, and looks at what their codes mean."""

from pathlib import Path
from typing import Any

from discretevae.cli.options import arguments_of, shares
from discretevae.experiments.recipe import Recipe
from discretevae.names import require_count
from discretevae.texts import say

__all__ = ["study", "study_recipe"]


@shares(
    *("data", "likelihood", "validation", "limit", "importance_samples"),
    *("seed", "accelerator", "precision"),
    num_categories=10,
    test=0.2,
)
def study(
    recipe: Recipe,
    *,
    num_latents: int | None = None,
    seeds: int = 5,
    contrastive: float = 0.0,
    epochs: int | None = None,
    batch_size: int | None = None,
    output: str | None = None,
) -> None:
    """Train MLP and CNN with categorical and Gaussian latents and see what codes mean; goes on.

    Args:
        likelihood: As for `train`; by default what suits the values: grey and binarised images
            side by side, binary data, or Gaussian ones.
        num_latents: D of the architectures; by default the best of a short sweep.
        seeds: How many clusterings, from different seeds.
        contrastive: Weight of a contrastive loss, with which the report's two networks are trained
            a second time; 0 is without.
        epochs: Of the architectures; by default 200, of which the image network gets a third,
            or 30 for fewer than 10,000 training examples.
        batch_size: Examples a step; by default 250 (the image network 100), or 50 for small data.
        seed: Of everything random but the clusterings.
        output: Folder of study.html, study.json, the figures and the runs; by default one under
            runs/ that is named after the data.

    Examples:
        discretevae study digits
        discretevae study mnist --contrastive 100 -o runs/my-study
    """
    from discretevae.pages.progress import track
    from discretevae.studies.architectures.page import publish_study
    from discretevae.studies.architectures.run import run_study

    require_count("seeds", seeds, 2)
    require_count("importance_samples", recipe.importance_samples, 0)
    folder = Path(output or f"runs/study-{Path(recipe.data).stem}")
    protocol = {"epochs": epochs, "batch_size": batch_size}
    try:
        found, work = run_study(recipe, folder, num_latents, seeds, contrastive, protocol, track)
        page = publish_study(found, work)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; the same command goes on where it stopped") from None
    for path in (folder / "study.json", page):
        say(path)


def study_recipe(**given: Any) -> Recipe:
    """What the runs of `study` have in common."""
    found: Recipe = arguments_of(study, given)["recipe"]
    return found
