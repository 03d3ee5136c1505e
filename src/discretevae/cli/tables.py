"""The commands for tables with missing cells and strange rows."""

from pathlib import Path
from typing import TYPE_CHECKING

from discretevae.texts import say

if TYPE_CHECKING:
    import torch

    from discretevae.models import VAE

__all__ = ["impute", "score"]


def impute(run: str, data: str, *, seed: int = 0, output: str | None = None) -> None:
    """Fill the missing cells of a table with what the model expects of them.

    Args:
        run: Folder of the run, of a model with --likelihood columns.
        data: A .csv or .parquet file with the columns of the run, given as the second argument.
        seed: Of the samples, where the codes are too many to sum over.
        output: A .csv file; by default RUN/imputed.csv.
    """
    import torch

    from discretevae.evaluation.imputation import impute as fill
    from discretevae.files import write_text
    from discretevae.pages.writing import as_csv, as_text

    model, x = _opened(run, data)
    path = _output(run, output, "imputed.csv")
    filled = fill(model, x, generator=torch.Generator().manual_seed(seed))
    write_text(path, as_csv(*as_text(filled, model.likelihood)))
    say(f"{path}: {int(x.isnan().sum()):,} of {x.numel():,} cells filled")


def score(run: str, data: str, *, seed: int = 0, output: str | None = None) -> None:
    """Say how surprising every row of a table is, and which cell makes it so.

    Args:
        run: Folder of the run, of a model with --likelihood columns.
        data: A .csv or .parquet file with the columns of the run, given as the second argument.
        seed: Of the samples, where the codes are too many to sum over.
        output: A .csv file of −log p of each row and of each cell given the others, in nats; by
            default RUN/scores.csv.
    """
    import torch

    from discretevae.evaluation.imputation import anomaly_scores
    from discretevae.files import write_text
    from discretevae.pages.writing import as_csv

    model, x = _opened(run, data)
    path = _output(run, output, "scores.csv")
    found = anomaly_scores(model, x, generator=torch.Generator().manual_seed(seed))
    cells = [[None if v != v else v for v in row] for row in found.cells.tolist()]
    rows = [[total, *row] for total, row in zip(found.rows.tolist(), cells, strict=True)]
    write_text(path, as_csv(["row", *(model.likelihood.header or ())], rows))
    say(path)


def _opened(run: str, data: str) -> tuple["VAE", "torch.Tensor"]:
    """A model of a table, and the rows of another file read by its columns."""
    from discretevae.cli.saved import saved_model
    from discretevae.data.mixed_tables import read_rows
    from discretevae.experiments.folder import Run

    model = saved_model(Run.open(run))
    table = model.likelihood.table
    if table is None:
        raise ValueError(f"`RUN` must be of a table (columns), got {model.likelihood.label}.")
    return model, read_rows(data, table.columns).examples.values()


def _output(run: str, output: str | None, usual: str) -> Path:
    path = Path(output) if output else Path(run) / usual
    if path.suffix != ".csv":
        raise ValueError(f"`--output` must end in .csv, got {str(path)!r}.")
    return path
