"""What is left to do once a model is trained: evaluate it, draw it, write the page, say so."""

from collections.abc import Mapping
from typing import Any

from discretevae.data import Batch, Splits
from discretevae.evaluation import code_health, collapse_warnings, evaluate
from discretevae.experiments.folder import Run, command_line, versions
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.shown import shown
from discretevae.models import (
    VAE,
)
from discretevae.pages.explorer import precompute
from discretevae.pages.gallery import draw_gallery, write_tables
from discretevae.pages.progress import track
from discretevae.pages.report import format_value, write_report
from discretevae.pages.terminal import print_table, table_of
from discretevae.texts import say

__all__ = ["describe", "publish"]


def publish(run: Run, model: VAE, data: Splits, recipe: Recipe) -> None:
    """Evaluates, writes the numbers, draws, writes the page, says where it is."""
    metrics = evaluate(model, data, recipe.importance_samples, recipe.seed, track)
    run.write_metrics(metrics)
    figures = draw_gallery(run, model, data, recipe.seed)
    write_report(
        run.report,
        title=run.folder.resolve().name,
        summary=[describe(model, data)],
        metrics=metrics,
        config={**recipe.as_dict(), "versions": versions(), "command": command_line()},
        figures=figures,
        tables=write_tables(model, data, recipe.seed),
        explorer=precompute(model, data, recipe.seed),
        notes=[data.note] if data.note else [],
        warnings=_warnings(model, data),
    )
    _print_metrics(metrics)
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


def _warnings(model: VAE, data: Splits) -> list[str]:
    found = []
    if not model.likelihood.normalised:
        found.append(
            "The data are grey values under binary cross-entropy, which is not a likelihood: the "
            "figures compare with published ones of the same kind only."
        )
    if model.categorical is not None:
        some = shown(data).examples.take(slice(0, 5000))
        found += collapse_warnings(code_health(model, [Batch(some.values(), some.context)]))
    return found


def _print_metrics(metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    table = table_of("True bounds (nats per example) and health of the code")
    table.add_column("", no_wrap=True)
    for split in metrics:
        table.add_column(split, no_wrap=True, justify="right")
    for name in max(metrics.values(), key=len):
        entries = [split.get(name) for split in metrics.values()]
        first = next(entry for entry in entries if entry)
        if isinstance(first["value"], list):
            continue
        cells = [format_value(e["value"], e["se"]) if e else "–" for e in entries]
        of = first["unit"].removeprefix("of ").split()[0]
        label = f"{name.replace('_', ' ')}" + f" (of {of})" * first["unit"].startswith("of ")
        table.add_row(label, *cells)
    print_table(table)
