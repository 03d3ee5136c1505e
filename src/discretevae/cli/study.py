"""The command that trains and compares architectures, and looks at what their codes mean."""

from pathlib import Path
from typing import Any

from discretevae.cli.train import defaults, train
from discretevae.names import require_count
from discretevae.texts import say

__all__ = ["study", "study_options"]

OF_THE_STUDY = ("num_latents", "seeds", "contrastive", "output")
"""Options of `study` that are not those of its runs."""


def study(
    data: str = "digits",
    *,
    num_latents: int | None = None,
    num_categories: int = 10,
    seeds: int = 5,
    contrastive: float = 0.0,
    likelihood: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    limit: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    importance_samples: int = 1000,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "32-true",
    output: str | None = None,
) -> None:
    """Train MLP and CNN with categorical and Gaussian latents and see what codes mean; goes on.

    Args:
        data: Data as for `train`, given as the first argument.
        num_latents: D of the architectures; by default the best of a short sweep.
        num_categories: K, the number of categories of each latent.
        seeds: How many clusterings, from different seeds.
        contrastive: Weight of a contrastive loss, with which the report's two networks are trained
            a second time; 0 is without.
        likelihood: As for `train`; by default what suits the values: grey and binarised images
            side by side, binary data, or Gaussian ones.
        validation: As for `train`.
        test: Fraction held out for the figures, where the data bring no test set.
        limit: Most examples to take of each part, for a quick try.
        epochs: Of the architectures; by default 200, of which the image network gets a third,
            or 30 for fewer than 10,000 training examples.
        batch_size: Examples a step; by default 250 (the image network 100), or 50 for small data.
        importance_samples: S of the importance-weighted log-likelihood; 0 leaves it out.
        seed: Of everything random but the clusterings.
        accelerator: auto, cpu or gpu.
        precision: 32-true, bf16-mixed or 16-mixed.
        output: Folder of study.html, study.json, the figures and the runs; by default one under
            runs/ that is named after the data.
    """
    given = {k: v for k, v in locals().items() if k not in OF_THE_STUDY}
    from discretevae.pages.progress import track
    from discretevae.studies.architectures.page import publish_study
    from discretevae.studies.architectures.run import run_study

    require_count("seeds", seeds, 2)
    require_count("importance_samples", importance_samples, 0)
    folder = Path(output or f"runs/study-{Path(data).stem}")
    options = study_options(**given)
    try:
        found, work = run_study(
            options, folder, num_latents, seeds, contrastive, importance_samples, track
        )
        page = publish_study(found, work)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; the same command goes on where it stopped") from None
    for path in (folder / "study.json", page):
        say(path)


def study_options(data: str, **given: Any) -> dict[str, Any]:
    """The options that the runs of `study DATA` have in common."""
    of_study = {k: v for k, v in defaults(study).items() if k not in OF_THE_STUDY}
    return {**defaults(train), **of_study, "data": data, **given}
