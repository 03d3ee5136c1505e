"""Writes results/study.md, its figures and the JSON behind it from the finished runs of a study.

The runs are those of `discretevae study mnist --num-latents 30 --precision bf16-mixed`, continued
as often as is needed; what is not finished is named on the page.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from discretevae.cli.study import study_recipe
from discretevae.experiments.folder import versions
from discretevae.studies.architectures.drawings import Drawings
from discretevae.studies.architectures.page import sections_of
from discretevae.studies.architectures.run import Work, collect
from discretevae.studies.architectures.sections import as_markdown

RESULTS = Path(__file__).parent.parent / "results"
COMMAND = "discretevae study mnist --num-latents 30 --precision bf16-mixed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="runs/study-mnist")
    parser.add_argument("--num-latents", type=int, default=30)
    parser.add_argument("--importance-samples", type=int, default=1000)
    given = parser.parse_args()
    recipe = study_recipe(data="mnist", precision="bf16-mixed")
    work = Work(recipe, Path(given.folder), seeds=5, contrastive=0.0)
    asked = work.plan.experiments(given.num_latents, range(5))
    done = {
        group: [experiment for experiment in experiments if work.run(experiment).metrics.exists()]
        for group, experiments in asked.items()
    }
    missing = [e.name for group, found in asked.items() for e in found if e not in done[group]]
    found = collect(work, done, given.num_latents, {}, given.importance_samples)
    sections = list(sections_of(found, Drawings(found, work)))
    pictures = RESULTS / "study"
    shutil.rmtree(pictures, ignore_errors=True)
    shutil.copytree(work.folder / "figures", pictures)
    text = as_markdown(sections, work.folder / "figures").replace("](", "](study/")
    head = [
        "# The study on MNIST",
        f"`{COMMAND}`, seed 0, then `python benchmarks/study.py`; the JSON is in `study.json`.",
        f"Machine: {versions()['machine']}, one thread a run, beside other work: s/epoch is no "
        f"measure of speed (see step_speed.json); torch {versions()['torch']}.",
    ]
    prior = RESULTS / "image_prior.json"
    if prior.exists():
        head.append(_with_prior(json.loads(prior.read_text(encoding="utf-8"))))
    if missing:
        head.append(f"Not finished yet, so not on this page: {', '.join(missing)}.")
    (RESULTS / "study.md").write_text("\n\n".join([*head, text]), encoding="utf-8")
    record = {**found.as_dict(), "missing": missing, "versions": versions(), "command": COMMAND}
    (RESULTS / "study.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _with_prior(record: dict[str, Any]) -> str:
    elbo, weighted = (record[key] for key in ("elbo", "log_likelihood"))
    text = (
        "Recommended for images: the image network below with an autoregressive prior fitted "
        "to its codes (`discretevae prior`, here by `python benchmarks/image_prior.py`). On grey "
        "pixels, which is no likelihood, hard samples, all 10,000 test images: a true ELBO of "
        f"**{elbo['value']:.2f} ± {elbo['se']:.2f}** (KL {record['kl']['value']:.2f}); "
        f"{weighted['note']}: {weighted['value']:.2f} ± {weighted['se']:.2f}. An epoch of training "
        "costs what it costs without: the prior comes afterwards."
    )
    return text.replace("**-", "**−").replace(": -", ": −")


if __name__ == "__main__":
    main()
