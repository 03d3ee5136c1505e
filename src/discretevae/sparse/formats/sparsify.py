"""sparsify's files, `cfg.json` and `sae.safetensors`."""

import json
from pathlib import Path

from safetensors.torch import save_file

from discretevae.files import atomic_path
from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.formats.reading import (
    SparseFileError,
    read_config,
    read_tensors,
    require_shapes,
)
from discretevae.sparse.topk import TopKAutoencoder

__all__ = ["CONFIG", "WEIGHTS", "load_sparsify", "save_sparsify"]

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
NAMES = ("encoder.weight", "encoder.bias", "W_dec", "b_dec")


def save_sparsify(model: SparseAutoencoder, folder: str | Path) -> None:
    """Writes what `sparsify.SparseCoder.load_from_disk` reads.

    Raises:
        ValueError: If the model is none of top-k, which alone sparsify knows.
    """
    if model.architecture != "topk":
        raise ValueError(f"`model` must be of kind topk for sparsify, got {model.kind!r}.")
    if model.transcodes and model.dim_out != model.dim:
        raise ValueError(
            f"`model` must keep its {model.dim} dimensions for sparsify, got {model.dim_out} out."
        )
    folder, tensors = Path(folder), model.tensors()
    config = {
        "activation": "topk",
        "expansion_factor": max(1, model.width // model.dim),
        "normalize_decoder": True,
        "num_latents": model.width,
        "k": model.k,
        "multi_topk": False,
        "skip_connection": False,
        "transcode": model.transcodes,
        "d_in": model.dim,
    }
    named = {
        "encoder.weight": tensors["W_enc"].T,
        "encoder.bias": tensors["b_enc"],
        "W_dec": tensors["W_dec"],
        "b_dec": tensors["b_dec"],
    }
    with (
        atomic_path(folder / CONFIG) as config_file,
        atomic_path(folder / WEIGHTS) as weights_file,
    ):
        save_file({name: v.contiguous().cpu() for name, v in named.items()}, weights_file)
        config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_sparsify(folder: str | Path) -> SparseAutoencoder:
    """Loads what `save_sparsify` or sparsify has written.

    Raises:
        SparseFileError: If a file is missing or damaged, lacks a tensor, or is of another kind
            than top-k without a skip connection.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    for name, wanted in (("activation", "topk"), ("skip_connection", False)):
        if config.get(name, wanted) != wanted:
            raise SparseFileError(
                f"`{folder / CONFIG}` must have {name} {wanted!r}, got {config[name]!r}."
            )
    path = folder / WEIGHTS
    found = read_tensors(path, NAMES)
    weight, k = found["encoder.weight"], config.get("k")
    if weight.ndim != 2 or not isinstance(k, int) or not 1 <= k <= len(weight):
        raise SparseFileError(
            f"`{folder}` must have a matrix of latents, and k of them active, got a tensor of "
            f"shape {tuple(weight.shape)} and k {k!r}."
        )
    width, dim = weight.shape
    out = found["W_dec"].shape[-1] if config.get("transcode", False) else None
    model = TopKAutoencoder(dim, width, k, out)
    ours = {
        "W_enc": weight.T,
        "b_enc": found["encoder.bias"],
        "W_dec": found["W_dec"],
        "b_dec": found["b_dec"],
    }
    require_shapes(path, ours, model.tensors())
    model.load_tensors(ours)
    return model.eval()
