"""A trained model as a folder that others can load: weights, configuration, and a model card."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from discretevae.codes.identity import model_identity
from discretevae.data import Splits
from discretevae.experiments.folder import Run, versions
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.sparse_recipe import SparseRecipe
from discretevae.files import write_text
from discretevae.likelihoods.likelihood import Learned
from discretevae.models import VAE
from discretevae.models.pretrained import rebuilt
from discretevae.pages.html import render
from discretevae.pages.publish import describe
from discretevae.pages.report import format_value
from discretevae.pages.sparse_page import LABELS
from discretevae.sparse import SparseAutoencoder, save_saelens
from discretevae.sparse.formats import saelens

__all__ = [
    "FILES",
    "SPARSE_FILES",
    "ShareError",
    "model_card",
    "push_to_hub",
    "share",
    "share_sparse",
]

FILES = ("README.md", "config.json", "model.safetensors")
"""All that is shared: no checkpoint, no data, no path of yours."""
SPARSE_FILES = ("README.md", saelens.CONFIG, saelens.WEIGHTS)
"""The same of a sparse autoencoder."""
SPARSE_OPTIONS = ("steps", "batch_size", "learning_rate", "dead_after", "penalty", "test", "seed")
FIGURES = {
    "elbo": "ELBO, a true lower bound on log p(x)",
    "log_likelihood": "log p(x)",
    "exact_log_likelihood": "log p(x)",
    "reconstruction": "log-probability of an example given its code",
    "kl": "KL, what it costs to say the code",
    "bits_per_dimension": "bits per dimension",
    "active_latents": "latents that change with the example",
    "dead_categories": "categories that are practically never used",
}
"""Figures of a card, by their names in metrics.json."""
OPTIONS = (
    *("estimator", "samples", "beta", "free_bits", "binarize", "epochs", "patience", "batch_size"),
    *("optimizer", "learning_rate", "decay", "precision", "validation", "test", "limit", "seed"),
)
"""Options of a run that a card lists; those that name files of yours are not among them."""
RARE = 5
"""Training examples that must have a name before it is shared."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class ShareError(ValueError):
    """Raised where a run cannot be shared."""


def share(
    run: Run,
    model: VAE,
    data: Splits,
    recipe: Recipe,
    folder: str | Path,
    rare_names: bool = False,
) -> list[Path]:
    """Writes `config.json`, `model.safetensors` and a model card, `README.md`, into a folder.

    Arguments:
        run: A finished run.
        model: Of the run.
        data: Of the run.
        recipe: Of the run.
        folder: A new or empty one, or one with a model that was shared before.
        rare_names: Keep the names of categories, and the pieces of words, that fewer than `RARE`
            training examples have; else they are left out, and the model is another by its
            identity: its codes are the same.

    Returns:
        The files.

    Raises:
        ShareError: If the folder holds anything else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and _holds_only_ours(folder)):
        raise ShareError(
            f"`FOLDER` must be new, empty or hold a shared model, got {str(folder)!r}, "
            "which holds something else."
        )
    known = model.likelihood.learned(data.train.values(), 0 if rare_names else RARE)
    if known is not None and known.left_out:
        model = without_names(model, known)
    card = model_card(model, data, run.read_metrics(), recipe, known)
    model.save_pretrained(folder)
    write_text(folder / "README.md", card)
    return [folder / name for name in FILES]


def without_names(model: VAE, known: Learned) -> VAE:
    """Gives a model the description that says less of its data."""
    network = _renamed(model.network.config(), known.config)
    return rebuilt(model, likelihood=known.config, network=network)


def _renamed(network: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a network, and of the one that it stands on, with the columns as said."""
    same = {key: said[key] for key in {"columns"} & network.keys() & said.keys()}
    base = {"base": _renamed(network["base"], said)} if "base" in network else {}
    return {**network, **same, **base}


def model_card(
    model: VAE,
    data: Splits,
    metrics: Mapping[str, Any],
    recipe: Recipe,
    known: Learned | None = None,
) -> str:
    """Writes what a model is, how good it is, how to load it and where its limits lie.

    Every figure is one of the run's, with its standard error; nothing else is claimed.

    Arguments:
        model: What is shared.
        data: On which it was trained.
        metrics: split → name → figure, as in metrics.json.
        recipe: Of the run.
        known: What the model's description says of the data; by default all that it has learned.
    """
    known = known or model.likelihood.learned(data.train.values())
    splits = [split for split in ("test", "validation", "train") if metrics.get(split)]
    return render(
        "model_card.md.j2",
        name=f"A {model.kind} of {data.name}",
        description=describe(model, data),
        splits=splits,
        rows=list(_rows(metrics, splits)),
        options=[(name, value) for name in OPTIONS if (value := getattr(recipe, name)) is not None],
        versions={k: v for k, v in versions().items() if k != "machine"},
        kind=model.kind,
        shape=model.shape,
        parameters=sum(p.numel() for p in _loaded_parameters(model)),
        identity=model_identity(model),
        limits=_limits(model, data),
        reveals=_reveals(data, known),
    )


def share_sparse(
    run: Run, model: SparseAutoencoder, recipe: SparseRecipe, folder: str | Path
) -> list[Path]:
    """Writes SAELens' two files of a sparse autoencoder and a model card into a folder.

    Arguments:
        run: Of the autoencoder, measured.
        model: That of the run.
        recipe: Of the run.
        folder: A new or empty one, or one with such a model that was shared before.

    Returns:
        The files.

    Raises:
        ShareError: If the folder holds anything else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and _holds_only_ours(folder, SPARSE_FILES)):
        raise ShareError(
            f"`FOLDER` must be new, empty or hold a shared model, got {str(folder)!r}, "
            "which holds something else."
        )
    figures = run.read_metrics()["test"]
    what = "transcoder" if model.transcodes else "sparse autoencoder"
    card = render(
        "sparse_card.md.j2",
        name=f"A {what}",
        description=f"{what}, {model.kind}, of activations of {model.dim} numbers.",
        dim=model.dim,
        kind=model.kind,
        width=f"{model.width:,}",
        k=model.k,
        rows=[
            {
                "label": LABELS[name],
                "value": format_value(figure["value"], figure.get("se")),
                "unit": figure["unit"],
            }
            for name, figure in figures.items()
            if name in LABELS
        ],
        options=[
            (name, value) for name in SPARSE_OPTIONS if (value := getattr(recipe, name)) is not None
        ],
        versions={k: v for k, v in versions().items() if k != "machine"},
    )
    save_saelens(model, folder)
    write_text(folder / "README.md", card)
    return [folder / name for name in SPARSE_FILES]


def push_to_hub(folder: str | Path, repository: str, *, public: bool = False) -> str:
    """Uploads a shared folder to the Hugging Face Hub, as the account that is logged in there.

    Arguments:
        folder: From `share` or `share_sparse`; its three files are sent and no other.
        repository: OWNER/NAME; it is made where it does not exist.
        public: Whether a new one can be seen by everybody.

    Returns:
        Where it is.

    Raises:
        ShareError: If the name is none, the folder holds no shared model, or `huggingface_hub` is
            not installed.
    """
    require_repository(repository)
    files = SPARSE_FILES if (Path(folder) / saelens.WEIGHTS).is_file() else FILES
    missing = [name for name in files if not (Path(folder) / name).is_file()]
    if missing:
        raise ShareError(f"`folder` must hold {', '.join(files)}, got none of {missing[0]}.")
    from huggingface_hub import HfApi

    hub = HfApi(library_name="discretevae")
    found = hub.create_repo(repository, private=not public, repo_type="model", exist_ok=True)
    hub.upload_folder(
        repo_id=repository,
        folder_path=str(folder),
        repo_type="model",
        allow_patterns=list(files),
        commit_message="Upload a model of discretevae",
    )
    return str(found)


def require_repository(repository: str) -> None:
    """Refuses what cannot be uploaded before anything is written.

    Raises:
        ShareError: If the name is none of a repository, or `huggingface_hub` is not installed.
    """
    if not REPOSITORY.fullmatch(repository):
        raise ShareError(f"`push` must be a repository as OWNER/NAME, got {repository!r}.")
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise ShareError(
            'uploading needs more packages: pip install "discretevae[share]".'
        ) from None


def _holds_only_ours(folder: Path, files: tuple[str, ...] = FILES) -> bool:
    """Whether the folder is empty, or holds a model and what a hub's client leaves beside it."""
    names = {path.name for path in folder.iterdir()} - {".git", ".gitattributes", ".cache"}
    return not names or (names <= {*files} and files[1] in names)


def _rows(metrics: Mapping[str, Any], splits: list[str]) -> Iterator[dict[str, Any]]:
    """One row a figure that some split has."""
    for name, label in FIGURES.items():
        entries = [metrics[split].get(name) for split in splits]
        there = [e for e in entries if e and _is_finite(e["value"])]
        if there:
            note = f" ({there[0]['note']})" if there[0].get("note") else ""
            cells = [format_value(e["value"], e.get("se")) if e else "–" for e in entries]
            yield {"label": label + note, "unit": there[0].get("unit") or "", "cells": cells}


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _loaded_parameters(model: VAE) -> Iterator[Any]:
    """The parameters in the file of weights: what trains alone is left out."""
    return (p for name, p in model.named_parameters() if "estimator" not in name.split("."))


def _limits(model: VAE, data: Splits) -> list[str]:
    limits = [
        f"It was trained and measured on {data.name} alone; of other data nothing is known.",
        "Bounds compare with those of other models only on the same data, binarised alike.",
    ]
    if not model.likelihood.normalised:
        limits.append(
            "Its likelihood is no likelihood: grey values under binary cross-entropy. The figures "
            "compare with published ones of the same kind only."
        )
    if model.context_shape is not None:
        limits.append("It is conditional, p(x | c): encoder and decoder need the context c.")
    return limits


def _reveals(data: Splits, known: Learned | None) -> list[str]:
    """What whoever has the folder learns of the data, beside what the weights remember."""
    found = [
        f"this card: the name of the data ({data.name}), how many examples there were, the options "
        "of the run and its figures;",
        "model.safetensors: weights that were fitted to the training examples, and may remember "
        "some of them;",
    ]
    if known is None:
        return [*found, "config.json: the architecture, and nothing of the data but their shape."]
    left_out = (
        f"; left out: {known.left_out:,} that fewer than {RARE} training examples have"
        if known.left_out
        else ""
    )
    return [*found, f"config.json: {known.says}{left_out}."]
