"""The commands that draw from a model, and that show what its codes keep of examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discretevae.cli.saved import saved_model
from discretevae.cli.train import stored_recipe
from discretevae.names import require_count, require_seed
from discretevae.texts import say

if TYPE_CHECKING:
    from torch import Tensor

    from discretevae.data import Schema
    from discretevae.models import VAE

__all__ = ["reconstruct", "sample"]


def sample(
    run: str,
    *,
    count: int = 40,
    context: str | None = None,
    mean: bool = False,
    seed: int = 0,
    output: str | None = None,
) -> None:
    """Draw new examples: codes from the prior, and an example from p(x | z) of each.

    Args:
        run: Folder of the run.
        count: How many; of each condition, where there are several.
        context: Of a conditional run: a class, or a .npy file of one context or several; by
            default every class, or contexts of the test examples.
        mean: Give what is most probable given each code, or its mean, not a draw.
        seed: Of the draws.
        output: A .png (a grid) or .npy file; for sentences and tables a .csv, .parquet or .npz; by
            default RUN/samples.png or .csv.

    Examples:
        discretevae sample runs/digits-4x8
        discretevae sample runs/digits-4x8 --count 1000 -o samples.npy
    """
    import torch

    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import contexts_for
    from discretevae.pages.gallery import draw_samples

    require_count("count", count, 1)
    require_seed(seed)
    opened = Run.open(run)
    model, schema = saved_model(opened), opened.read_schema()
    path = _output(output, opened.folder / "samples", model)
    contexts = contexts_for(stored_recipe(opened), schema, context, model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        drawn = [model.sample(count, generator, c, mean=mean) for c in contexts.values]
    if path.suffix == ".png":
        draw_samples(path, torch.stack(drawn), model, contexts.names)
    else:
        names = [name for name in contexts.names for _ in range(count)]
        keys = {"condition": names} if len(contexts.names) > 1 else {}
        _save(path, model, schema, torch.cat(drawn), keys)
    say(path)


def reconstruct(
    run: str, data: str | None = None, *, count: int = 8, output: str | None = None
) -> None:
    """Encode examples to their most probable codes and decode them again.

    Args:
        run: Folder of the run.
        data: Data as for `train`, given as the second argument; by default the test examples of
            the run.
        count: How many examples, the first ones.
        output: A .png (beside the inputs) or .npy file, or a .csv, .parquet or .npz with what
            belongs to each row beside; by default RUN/reconstructions.png or .csv.

    Examples:
        discretevae reconstruct runs/digits-4x8
        discretevae reconstruct runs/digits-4x8 mine.npy --count 20 -o mine.png
    """
    import torch

    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import shown_for
    from discretevae.pages.gallery import draw_reconstructions

    require_count("count", count, 1)
    opened = Run.open(run)
    model, schema = saved_model(opened), opened.read_schema()
    path = _output(output, opened.folder / "reconstructions", model)
    look = shown_for(stored_recipe(opened), schema, data, model)
    shape = tuple(look.examples.shape)
    if shape != model.shape:
        raise ValueError(f"`data` must have shape {model.shape}, got {shape}.")
    some = look.examples.take(slice(0, count))
    x = some.values()
    model.likelihood.check(x)
    if path.suffix == ".png":
        draw_reconstructions(path, model, look, count)
    else:
        keys = {} if look.keys is None else look.keys.take(slice(0, count)).cells()
        with torch.no_grad():
            _save(path, model, schema, model.reconstruct(x, some.context), keys)
    say(path)


def _output(given: str | None, usual: Path, model: "VAE") -> Path:
    """A picture or an array; sentences and rows of a table go to a .csv file."""
    endings: tuple[str, ...] = (".csv", ".parquet", ".npz")
    if not _is_written(model):
        endings = (".png", ".npy", *endings)
    path = usual.with_suffix(endings[0]) if given is None else Path(given)
    if path.suffix not in endings:
        raise ValueError(f"`--output` must end in {' or '.join(endings)}, got {str(path)!r}.")
    return path


def _save(
    path: Path, model: "VAE", schema: "Schema | None", x: "Tensor", keys: dict[str, list[Any]]
) -> None:
    """Writes observations as the source of the run has them, after the keys of each."""
    import numpy as np

    from discretevae.data.results import write_rows
    from discretevae.files import atomic_path

    if path.suffix == ".npy":
        with atomic_path(path) as temporary:
            np.save(temporary, _natural(x, schema).numpy(), allow_pickle=False)
    elif path.suffix == ".npz" and not _is_written(model):
        write_rows(path, keys, {"x": list(_natural(x, schema).numpy())})
    else:
        header, rows = _written(x, model, schema)
        columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
        write_rows(path, keys, columns)


def _written(
    x: "Tensor", model: "VAE", schema: "Schema | None"
) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    from discretevae.pages.writing import as_text

    if schema is not None:
        return schema.written(x.float())
    if _is_written(model):
        return as_text(x, model.likelihood)
    return [str(i) for i in range(x[0].numel())], x.flatten(1).tolist()


def _natural(x: "Tensor", schema: "Schema | None") -> "Tensor":
    """Gives observations in the units of the data of the run."""
    return x if schema is None else schema.natural(x)


def _is_written(model: "VAE") -> bool:
    return model.likelihood.header is not None
