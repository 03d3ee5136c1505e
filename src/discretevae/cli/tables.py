"""The commands for missing cells and strange rows, of tables first of all."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from discretevae.texts import say

if TYPE_CHECKING:
    import torch

    from discretevae.data.formats.raw import RawTable
    from discretevae.data.formats.raw_array import RawArray
    from discretevae.data.keys import Keys
    from discretevae.data.table_schema import TableSchema
    from discretevae.likelihoods.likelihood import Cells
    from discretevae.models import VAE

__all__ = ["impute", "score"]


def impute(run: str, data: str, *, seed: int = 0, output: str | None = None) -> None:
    """Fill the missing cells of a table with what the model expects of them.

    Every cell that is there comes out as it came, in the columns of the model and in all others.

    Args:
        run: Folder of the run, of a model with --likelihood columns.
        data: A .csv or .parquet file with the columns of the run, given as the second argument.
        seed: Of the samples, where the codes are too many to sum over.
        output: A .csv, .parquet or .npz file; by default RUN/imputed.csv.

    Examples:
        discretevae impute runs/patients patients.csv
        discretevae impute runs/patients new.csv -o filled.csv
    """
    import torch

    from discretevae.data.filling import filled, filled_array
    from discretevae.data.results import write_rows
    from discretevae.evaluation.imputation import impute as fill
    from discretevae.pages.writing import as_text

    opened = _opened(run, data)
    x, path = opened.x, _output(run, output, "imputed.csv")
    draws = torch.Generator().manual_seed(seed)
    whole = fill(opened.model, x, generator=draws, context=opened.context)
    if opened.array is not None:
        numbers, count = filled_array(opened.array, whole)
        write_rows(path, {n: c.cells() for n, c in opened.array.beside.items()}, numbers)
        say(f"{path}: {count:,} of {x.numel():,} cells filled")
        return
    if opened.table is None or opened.schema is None:
        header, rows = as_text(whole, opened.model.likelihood)
        write_rows(path, {}, dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)))
        say(f"{path}: {int(x.isnan().sum()):,} of {x.numel():,} cells filled")
        return
    columns, count = filled(opened.table, opened.schema, whole)
    dialect = {} if opened.table.dialect is None else {"dialect": opened.table.dialect}
    titles = {name: c.title for name, c in opened.table.columns.items() if c.title is not None}
    write_rows(path, columns, {}, **dialect, titles=titles)
    cells = opened.table.rows * len(opened.schema.fields)
    say(f"{path}: {count:,} of {cells:,} cells filled")


def score(run: str, data: str, *, seed: int = 0, output: str | None = None) -> None:
    """Say how surprising every row of a table is, and which cell makes it so; or every image.

    Args:
        run: Folder of the run.
        data: A .csv or .parquet file with the columns of the run, given as the second argument;
            of another model what `encode` takes, a folder of images say.
        seed: Of the samples, where the codes are too many to sum over.
        output: A .csv, .parquet or .npz file of every row: its number, its id and what else the
            model does not see, `total (nats)`, which is −log p of the row in the units of the
            file; the same and −log p of each cell given the others with numbers in units of the
            spread of their column, so that cells, and rows with gaps, compare; `not taken` names
            the cells that are new to the model, such as a category that training has not seen. Of
            images and all else `−ELBO (nats)`, the bound on −log p, and bits per dimension. By
            default RUN/scores.csv.

    Examples:
        discretevae score runs/patients new.csv -o scores.parquet
        discretevae score runs/photos-vq photos
    """
    import torch

    from discretevae.cli.saved import saved_model
    from discretevae.data.results import write_rows
    from discretevae.evaluation.imputation import anomaly_scores
    from discretevae.experiments.folder import Run

    if saved_model(Run.open(run)).likelihood.table is None:
        _score_wholes(run, data, seed, output)
        return
    opened = _opened(run, data)
    path = _output(run, output, "scores.csv")
    draws = torch.Generator().manual_seed(seed)
    found = anomaly_scores(opened.model, opened.x, generator=draws, context=opened.context)
    totals: dict[str, list[Any]] = {
        "total (nats)": (-found.log_p).tolist(),
        "standardised total (nats)": found.rows.tolist(),
    }
    for column, values in zip(opened.cells.columns, found.cells.T.tolist(), strict=True):
        totals[f"{column.name} (nats)"] = [None if v != v else v for v in values]
    if opened.schema is not None and opened.table is not None:
        totals["not taken"] = opened.schema.not_taken(opened.table)
    write_rows(path, opened.keys.cells(), totals)
    say(f"{path}: total (nats) is −log p of the row, the others of each cell given the rest")


def _score_wholes(run: str, data: str, seed: int, output: str | None) -> None:
    """Scores observations that are no rows of cells."""
    import math

    import torch

    from discretevae.cli.saved import saved_model
    from discretevae.cli.train import stored_recipe
    from discretevae.data import Batches, Keys
    from discretevae.data.results import write_rows
    from discretevae.evaluation import evaluate_bounds
    from discretevae.evaluation.figure import mean_figure, ratio_figure
    from discretevae.experiments.build_data import binarizer_of
    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import shown_for
    from discretevae.models.chain import rows_at_once

    opened = Run.open(run)
    model, path = saved_model(opened), _output(run, output, "scores.csv")
    recipe = stored_recipe(opened)
    look = shown_for(recipe, opened.read_schema(), data, model)
    size = rows_at_once(model.likelihood.evaluated(look.examples.shape), 1000)
    batches = Batches(look.examples, size, binarizer_of(recipe), seed, shuffle=False)
    bounds = evaluate_bounds(model, batches, torch.Generator().manual_seed(seed))
    nats, counts, unit = -bounds.elbo.double(), bounds.dimensions, model.likelihood.unit
    found: dict[str, list[Any]] = {"−ELBO (nats)": nats.tolist()}
    mean = mean_figure(nats)
    says = f"−ELBO {mean.value:.2f} ± {mean.se or 0:.2f} nats"
    if model.likelihood.normalised and bool((counts > 0).all()):
        bits = nats / math.log(2)
        found[f"bits per {unit}"] = (bits / counts).tolist()
        ratio = ratio_figure(bits, counts, f"bits per {unit}")
        says += f", {ratio.value:.4f} ± {ratio.se or 0:.4f} bits per {unit}"
    keys = look.keys or Keys.of_rows(len(nats))
    write_rows(path, keys.cells(), found)
    say(f"{path}: {says}, mean of {len(nats):,} ± standard error; a bound on −log p of each")


class _Opened(NamedTuple):
    """A model of a table, and the rows of another file read as the run's were."""

    model: "VAE"
    cells: "Cells"
    x: "torch.Tensor"
    context: "torch.Tensor | None"
    keys: "Keys"
    schema: "TableSchema | None"
    table: "RawTable | None"
    array: "RawArray | None" = None


def _opened(run: str, data: str) -> _Opened:
    from discretevae.cli.saved import saved_model
    from discretevae.cli.train import stored_recipe
    from discretevae.data import Keys, open_source
    from discretevae.data.formats.raw_array import RawArray
    from discretevae.data.table_schema import TableSchema
    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import shown_for

    opened = Run.open(run)
    model, schema = saved_model(opened), opened.read_schema()
    cells = model.likelihood.table
    if cells is None:
        raise ValueError(f"`RUN` must be of a table (columns), got {model.likelihood.label}.")
    look = shown_for(stored_recipe(opened), schema, data, model)
    x, context = look.examples.values(), look.examples.context
    keys = look.keys or Keys.of_rows(len(x))
    if schema is None:  # a run of version 0.1.0
        return _Opened(model, cells, x, context, keys, None, None)
    table: Any = open_source(data, likelihood="columns", schema=schema)
    if not isinstance(schema, TableSchema):
        array = table if isinstance(table, RawArray) else None
        return _Opened(model, cells, x, context, keys, None, None, array)
    return _Opened(model, cells, x, context, keys, schema, table)


def _output(run: str, output: str | None, usual: str) -> Path:
    from discretevae.data.results import ENDINGS

    path = Path(output) if output else Path(run) / usual
    if path.suffix not in ENDINGS:
        raise ValueError(f"`--output` must end in {', '.join(ENDINGS)}, got {str(path)!r}.")
    return path
