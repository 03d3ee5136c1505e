"""What is left to do once a model is trained: evaluate it, draw it, write the page, say so."""

import shlex
from collections.abc import Mapping
from typing import Any

from discretevae.data import Batch, Splits
from discretevae.evaluation import (
    code_health,
    diagnose,
    evaluate,
    gain_in_words,
    gzip_in_words,
    reference_in_words,
    verdict_in_words,
)
from discretevae.evaluation.evaluation import TITLE, as_rows
from discretevae.experiments.folder import Run, command_line, versions
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.reference import has_gaussian
from discretevae.experiments.shown import shown
from discretevae.models import VAE
from discretevae.pages.explorer import precompute
from discretevae.pages.gallery import draw_gallery, write_tables
from discretevae.pages.progress import track
from discretevae.pages.report import write_report
from discretevae.pages.terminal import print_table, table_of
from discretevae.texts import LOUDNESS, say
from discretevae.training.defaults import by_rule
from discretevae.training.schedules import parse_schedule

__all__ = ["describe", "publish"]

GAUSSIAN = "a Gaussian VAE"
SHOWN = (
    *("elbo", "log_likelihood", "exact_log_likelihood", "kl", "bits_per_dimension"),
    *("accuracy", "active_latents", "dead_categories", "used_codes"),
)
"""Figures that a training ends with; all others are in the report."""


def publish(
    run: Run,
    model: VAE,
    data: Splits,
    recipe: Recipe,
    *,
    reference: VAE | None = None,
    every_figure: bool = False,
) -> None:
    """Evaluates, writes the numbers, draws, writes the page, says where it is.

    Arguments:
        run: Where.
        model: Of the run.
        data: Of the run.
        recipe: Of the run.
        reference: A Gaussian VAE of the same data, to compare with.
        every_figure: Whether all are printed.
    """
    metrics = evaluate(
        model, data, recipe.importance_samples, recipe.seed, track, reference=reference
    )
    run.write_metrics(metrics)
    figures = draw_gallery(run, model, data, recipe.seed)
    gain = _gain(run, model, recipe, metrics)
    warnings = _warnings(run, model, data, recipe)
    write_report(
        run.report,
        title=run.folder.resolve().name,
        summary=[*gain, describe(model, data)],
        metrics=metrics,
        config={**recipe.as_dict(), "versions": versions(), "command": command_line()},
        figures=figures,
        tables=write_tables(model, data, recipe.seed),
        explorer=precompute(model, data, recipe.seed),
        notes=[data.note] if data.note else [],
        warnings=warnings,
    )
    every_figure |= LOUDNESS.get() == "verbose"
    _print_metrics(metrics if every_figure else _main_figures(metrics))
    for line in (*gain, *(f"Warning: {warning}" for warning in warnings)):
        say(line)
    say(f"report: {run.report}")


def describe(model: VAE, data: Splits) -> str:
    """Says in a sentence what was trained on which data."""
    shape = "×".join(map(str, model.shape))
    binarised = [f"binarised: {data.binarizer.name}"] * data.binarizer.binary
    about = [shape, *binarised]
    what = [model.describe(), model.network.describe(), f"{model.likelihood.label} likelihood"]
    return (
        f"{', '.join(what)}, on {data.name} "
        f"({', '.join(about)}): {len(data.train):,} training, "
        f"{len(data.validation):,} validation and {len(data.test):,} test examples."
    )


def _gain(run: Run, model: VAE, recipe: Recipe, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the model is good, and against what, on examples that were held out."""
    part = next((name for name in ("test", "validation", "train") if name in metrics), None)
    if part is None:
        return []
    p, found = model.likelihood, metrics[part]
    beside = reference_in_words(found, GAUSSIAN)
    if beside is None and has_gaussian(recipe):
        command = shlex.join(["discretevae", "evaluate", str(run.folder), "--gaussian"])
        beside = f"No Gaussian VAE was trained to compare with; to do so: {command}"
    without = [f"independent {p.apart}"] if p.autoregressive else []
    said = (
        verdict_in_words(found, part, GAUSSIAN, *without),
        gain_in_words(found, p.lossless, p.autoregressive, p.apart),
        gzip_in_words(found),
        beside,
    )
    return [line for line in said if line]


def _warnings(run: Run, model: VAE, data: Splits, recipe: Recipe) -> list[str]:
    found = []
    if not model.likelihood.normalised:
        found.append(
            "The data are grey values under binary cross-entropy, which is not a likelihood: the "
            "figures compare with published ones of the same kind only."
        )
    if model.categorical is not None:
        some = shown(data).examples.take(slice(0, 5000))
        health = code_health(model, [Batch(some.values(), some.context)])
        budget = by_rule(recipe, len(data.train))
        steps = (budget.epochs or 1) * -(-len(data.train) // (budget.batch_size or 1))
        beta = parse_schedule("beta", recipe.beta, steps)(steps)
        diagnosis = diagnose(health, beta=beta, epochs=budget.epochs, steps=steps)
        if diagnosis is not None:
            found.append(f"{diagnosis.says} {diagnosis.advice(run.config)}")
    return found


def _main_figures(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What to read first; an exact log-likelihood replaces its estimate, as in the report."""
    exact = any("exact_log_likelihood" in figures for figures in metrics.values())
    names = [name for name in SHOWN if not (exact and name == "log_likelihood")]
    return {
        split: {name: figures[name] for name in names if name in figures}
        for split, figures in metrics.items()
    }


def _print_metrics(metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    table = table_of(TITLE)
    table.show_edge = False  # an empty line above and below, in a log
    table.add_column("", no_wrap=True)
    for split in metrics:
        table.add_column(split, no_wrap=True, justify="right")
    for row in as_rows(metrics):
        table.add_row(*row)
    print_table(table)
