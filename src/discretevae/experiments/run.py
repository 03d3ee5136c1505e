"""One run, from its options to its record: done once, and continued where it stopped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from discretevae.data import Splits
from discretevae.evaluation import evaluate
from discretevae.experiments.build_model import model_from_options
from discretevae.experiments.folder import Run, held
from discretevae.experiments.options import training_from_options
from discretevae.models import VAE
from discretevae.training import TrainingOptions, check, train

__all__ = ["build", "run_experiment"]


def build(
    options: Mapping[str, Any], data: Splits, folder: Path | None = None, **changes: Any
) -> tuple[VAE, TrainingOptions]:
    """Makes the model and the options of its training, and tries whether they go together.

    Arguments:
        options: All options of the command `train`, resolved.
        data: The splits.
        folder: Of a run to go on with, whose checkpoint must fit.
        changes: Of the options of training.

    Raises:
        ValueError: If they do not.
    """
    torch.manual_seed(options["seed"])
    model = model_from_options(options, data)
    training = training_from_options(options, **changes)
    check(model, data, training, folder)
    return model, training


def run_experiment(options: Mapping[str, Any], data: Splits, run: Run) -> None:
    """Does what is left of a run: its options, training, the model's files, the evaluation.

    Nothing is done where the evaluation is there already.
    """
    if run.metrics.exists():
        return
    with held(run.folder):
        if not run.config.exists():
            Run.create(run.folder, options, overwrite=False)
            run.write_schema(data.schema)
        run.remove_leftovers()
        model, training = build(options, data, progress_bar=False)
        train(model, data, training, run.folder, resume=True)
        model.save_pretrained(run.model)
        run.write_metrics(evaluate(model, data, options["importance_samples"], options["seed"]))
