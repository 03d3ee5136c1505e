"""One run of a sparse autoencoder, from its recipe to what is known of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from discretevae.data.activations import Activations, load_activations
from discretevae.data.errors import DataError
from discretevae.evaluation.figure import Figure
from discretevae.evaluation.sparse import Latents, Network, evaluate_sparse, look_at
from discretevae.experiments.folder import Run
from discretevae.experiments.sparse_recipe import SparseRecipe
from discretevae.files import read_text
from discretevae.sparse import (
    Reason,
    SparseAutoencoder,
    save,
    save_sparsify,
    sparse_from_config,
    why_dead,
)
from discretevae.training.sparse_fit import SparsePrepared, prepare_sparse

__all__ = ["Shown", "SparseFindings", "build_sparse", "evaluate_run", "load_shown", "save_run"]

MOST_TEXT = 2**30
"""Bytes of a file of tokens."""
LOOKED_AT = 8192
"""Activations by which a reason for dead latents is found."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What each row is of.

    Arguments:
        tokens: A token each.
        images: An image each, (N, H, W) or (N, H, W, 3), of numbers that show as grey.
    """

    tokens: Sequence[str] | None = None
    images: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SparseFindings:
    """What is known of an autoencoder once it is trained.

    Arguments:
        figures: Of activations held out.
        latents: Of each latent.
        reasons: Why some are never active.
    """

    figures: dict[str, Figure]
    latents: Latents
    reasons: list[Reason]


def build_sparse(
    recipe: SparseRecipe, data: Activations, folder: Path | None = None, resume: bool = False,
    progress_bar: bool = True,
) -> SparsePrepared:  # fmt: skip
    """Makes the autoencoder and its training, and tries whether they go together.

    Raises:
        ValueError: If they do not.
    """
    torch.manual_seed(recipe.seed)
    model = sparse_from_config(recipe.shape(data.dim, data.dim_out))
    return prepare_sparse(model, data, recipe.options(progress_bar), folder, resume)


def open_data(recipe: SparseRecipe) -> Activations:
    """Opens the activations of a recipe.

    Raises:
        ValueError: If none are named, or they cannot be read.
    """
    if recipe.activations is None:
        raise ValueError("`activations` must be a file or a folder of activations, got none.")
    return load_activations(recipe.activations, recipe.targets, test=recipe.test, seed=recipe.seed)


def save_run(run: Run, model: SparseAutoencoder) -> None:
    """Writes the model as SAELens reads it, and as sparsify does where that knows its kind."""
    save(model, run.model)
    if model.architecture == "topk" and model.dim_out in (None, model.dim):
        save_sparsify(model, run.folder / "export" / "sparsify")


def evaluate_run(
    run: Run, model: SparseAutoencoder, data: Activations, network: Network | None = None
) -> SparseFindings:
    """Measures a model and writes `metrics.json`."""
    latents = look_at(model, data)
    figures = evaluate_sparse(model, data, latents, network)
    run.write_metrics({"test": {name: figure.as_dict() for name, figure in figures.items()}})
    some, _ = data.pair(data.splits.train.values(slice(0, LOOKED_AT)))
    return SparseFindings(figures, latents, why_dead(model, some, latents.density == 0))


def load_shown(path: str | Path | None, rows: int) -> Shown:
    """Reads what rows are of.

    Raises:
        DataError: If the file is of another kind, or has more or fewer entries than rows.

    Example:
        >>> load_shown(None, rows=3).tokens is None
        True
    """
    if path is None:
        return Shown()
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".npy":
        from discretevae.data.formats.numpy_files import read_array

        images = read_array(path)
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
            raise DataError(
                f"{path} must hold images (N, H, W) or (N, H, W, 3), got {images.shape}."
            )
        _require_rows(path, len(images), rows)
        return Shown(images=images)
    if ending not in (".json", ".txt"):
        raise DataError(f"{path} must end in .json, .txt or .npy, got {ending or 'no ending'}.")
    try:
        text = read_text(path, MOST_TEXT)
        tokens = json.loads(text) if ending == ".json" else text.split("\n")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} must hold tokens, got: {error}") from None
    if ending == ".txt" and tokens and not tokens[-1]:
        tokens.pop()
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError(f"{path} must hold a list of texts, got something else.")
    _require_rows(path, len(tokens), rows)
    return Shown(tokens=tokens)


def _require_rows(path: Path, found: int, rows: int) -> None:
    if found != rows:
        raise DataError(f"{path} must have an entry for each of {rows:,} rows, got {found:,}.")
