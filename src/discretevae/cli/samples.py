"""The commands that draw from a model, and that show what its codes keep of examples."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from discretevae.cli.saved import saved_model
from discretevae.cli.train import stored_recipe
from discretevae.names import require_count, require_seed
from discretevae.texts import say

if TYPE_CHECKING:
    from discretevae.models import VAE
    from discretevae.pages.writing import Written

__all__ = ["reconstruct", "sample"]


def sample(
    run: str,
    *,
    count: int = 40,
    context: str | None = None,
    seed: int = 0,
    output: str | None = None,
) -> None:
    """Draw codes from the prior and decode them.

    Args:
        run: Folder of the run.
        count: How many; of each condition, where there are several.
        context: Of a conditional run: a class, or a .npy file of one context or several; by
            default every class, or contexts of the test examples.
        seed: Of the draws.
        output: A .png (a grid) or .npy file (the decoded means); for sentences and tables a .csv;
            by default RUN/samples.png or .csv.
    """
    import torch

    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import contexts_for
    from discretevae.pages.gallery import draw_samples
    from discretevae.pages.writing import as_text, writes

    require_count("count", count, 1)
    require_seed(seed)
    opened = Run.open(run)
    model = saved_model(opened)
    path = _output(output, opened.folder / "samples", model)
    contexts = contexts_for(stored_recipe(opened), context, model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        means = [model.sample(count, generator, c) for c in contexts.values]
    if writes(model.likelihood):
        _save_written(path, as_text(torch.cat(means), model.likelihood))
    elif path.suffix == ".npy":
        _save_array(path, torch.cat(means).numpy())
    else:
        draw_samples(path, torch.stack(means), model, contexts.names)
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
        output: A .png (beside the inputs) or .npy file, for sentences and tables a .csv; by default
            RUN/reconstructions.png or .csv.
    """
    import torch

    from discretevae.experiments.folder import Run
    from discretevae.experiments.shown import shown_for
    from discretevae.pages.gallery import draw_reconstructions
    from discretevae.pages.writing import as_text, writes

    require_count("count", count, 1)
    opened = Run.open(run)
    model, recipe = saved_model(opened), stored_recipe(opened)
    path = _output(output, opened.folder / "reconstructions", model)
    look = shown_for(recipe, data, model)
    shape = tuple(look.examples.shape)
    if shape != model.shape:
        raise ValueError(f"`data` must have shape {model.shape}, got {shape}.")
    some = look.examples.take(slice(0, count))
    x = some.values()
    model.likelihood.check(x)
    if writes(model.likelihood):
        with torch.no_grad():
            _save_written(path, as_text(model.reconstruct(x, some.context), model.likelihood))
    elif path.suffix == ".npy":
        with torch.no_grad():
            _save_array(path, model.reconstruct(x, some.context).numpy())
    else:
        draw_reconstructions(path, model, look, count)
    say(path)


def _output(given: str | None, usual: Path, model: "VAE") -> Path:
    """A picture or an array; sentences and rows of a table go to a .csv file."""
    from discretevae.pages.writing import writes

    endings = (".csv",) if writes(model.likelihood) else (".png", ".npy")
    path = usual.with_suffix(endings[0]) if given is None else Path(given)
    if path.suffix not in endings:
        raise ValueError(f"`--output` must end in {' or '.join(endings)}, got {str(path)!r}.")
    return path


def _save_written(path: Path, written: "Written") -> None:
    from discretevae.files import write_text
    from discretevae.pages.writing import as_csv

    write_text(path, as_csv(*written))


def _save_array(path: Path, array: Any) -> None:
    import numpy as np

    from discretevae.files import atomic_path

    with atomic_path(path) as temporary:
        np.save(temporary, array, allow_pickle=False)
