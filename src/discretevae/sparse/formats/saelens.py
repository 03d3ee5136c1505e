"""SAELens' files, `cfg.json` and `sae_weights.safetensors`, which are our own as well."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from discretevae.files import atomic_path
from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.formats.reading import (
    SparseFileError,
    read_config,
    read_tensors,
    require_shapes,
)
from discretevae.sparse.table import sparse_from_config

__all__ = ["CONFIG", "WEIGHTS", "load_saelens", "save_saelens"]

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
OURS = "discretevae"
"""Where the metadata say what no other reader needs."""
VERSION = "6.54.12"
"""Of the layout: what says less than 6.0 is read as older."""
KINDS = {
    "standard": "relu",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "gated": "gated",
    "transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "topk_transcoder": "topk",
    "gated_transcoder": "gated",
}
"""Architecture → kind."""
TRANSCODERS = {"standard": "transcoder"}
"""Architecture → what it is called as a transcoder, where that is no `_transcoder` of its name."""
NAMES = {
    "relu": ("W_enc", "b_enc", "W_dec", "b_dec"),
    "topk": ("W_enc", "b_enc", "W_dec", "b_dec"),
    "jumprelu": ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"),
    "gated": ("W_enc", "b_gate", "W_dec", "b_dec", "r_mag", "b_mag"),
}
"""Kind → the tensors that a file must have."""
USUAL_K = 32
"""k of a file that has none, since nothing but training asks for it."""


def save_saelens(
    model: SparseAutoencoder, folder: str | Path, metadata: dict[str, Any] | None = None
) -> None:
    """Writes what `sae_lens.SAE.load_from_disk` reads; it needs no further file.

    What is trained with a moving threshold is saved as the JumpReLU that it is. SAELens has
    transcoders of ReLU and JumpReLU alone.

    Arguments:
        model: Of activations as they are: fold their scaling into it first.
        folder: Made if need be; files in it are replaced as a whole.
        metadata: What else is to be known, a hook's name for one.
    """
    folder = Path(folder)
    architecture = model.architecture
    if model.transcodes:
        architecture = TRANSCODERS.get(architecture, f"{architecture}_transcoder")
    config = {
        "architecture": architecture,
        "d_in": model.dim,
        "d_sae": model.width,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": not model.transcodes,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {**(metadata or {}), "sae_lens_version": VERSION, OURS: model.config()},
    }
    if model.transcodes:
        config["d_out"] = model.dim_out
    if model.architecture == "topk":
        config |= {"k": model.k, "rescale_acts_by_decoder_norm": False}
    tensors = {name: value.contiguous().cpu() for name, value in model.tensors().items()}
    with (
        atomic_path(folder / CONFIG) as config_file,
        atomic_path(folder / WEIGHTS) as weights_file,
    ):
        save_file(tensors, weights_file)
        config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_saelens(folder: str | Path) -> SparseAutoencoder:
    """Loads what `save_saelens` or SAELens has written.

    Raises:
        SparseFileError: If a file is missing or damaged, lacks a tensor, or is of a kind that is
            not known.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    ours = (config.get("metadata") or {}).get(OURS)
    described = ours if isinstance(ours, dict) else _described(config, folder / CONFIG)
    try:
        with torch.device("meta"):
            kind = sparse_from_config(described)
        expected = kind.tensors()
    except (TypeError, ValueError) as error:
        raise SparseFileError(
            f"`{folder / CONFIG}` must describe an autoencoder: {error}"
        ) from None
    path = folder / WEIGHTS
    tensors = read_tensors(path, tuple(expected))
    require_shapes(path, tensors, expected)
    if not isinstance(ours, dict):
        tensors = _as_ours(tensors, config, kind.transcodes)
    model = sparse_from_config(described)
    model.load_tensors(tensors)
    return model.eval()


def _described(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Our words for a configuration of SAELens."""
    architecture = config.get("architecture", "standard")
    if architecture not in KINDS:
        raise SparseFileError(
            f"`{path}` must have an architecture among {', '.join(KINDS)}, got {architecture!r}."
        )
    for name in ("normalize_activations", "reshape_activations"):
        if config.get(name, "none") not in ("none", "expected_average_only_in"):
            raise SparseFileError(f"`{path}` must have {name} none, got {config[name]!r}.")
    sizes = [config.get(name) for name in ("d_in", "d_sae")]
    if not all(isinstance(size, int) for size in sizes):
        raise SparseFileError(f"`{path}` must have whole numbers d_in and d_sae, got {sizes}.")
    k = config.get("k", min(USUAL_K, config["d_sae"]))
    out = config.get("d_out") if architecture.endswith("transcoder") else None
    return {
        "kind": KINDS[architecture],
        "dim": config["d_in"],
        "width": config["d_sae"],
        "k": int(k),
        "dim_out": out,
    }


def _as_ours(
    tensors: dict[str, Tensor], config: dict[str, Any], transcodes: bool
) -> dict[str, Tensor]:
    """Folds what SAELens leaves to be done while it runs."""
    found = dict(tensors)
    name = "b_gate" if "b_gate" in found else "b_enc"
    if config.get("rescale_acts_by_decoder_norm", False):
        norms = found["W_dec"].norm(dim=1).clamp_min(1e-8)
        found["W_enc"], found[name] = found["W_enc"] * norms, found[name] * norms
        found["W_dec"] = found["W_dec"] / norms[:, None]
    if not transcodes and not config.get("apply_b_dec_to_input", True):
        shift = found["b_dec"] @ found["W_enc"]  # which ours will subtract
        found[name] = found[name] + shift
        if "b_mag" in found:
            found["b_mag"] = found["b_mag"] + shift * found["r_mag"].exp()
    return found
