"""What all formats of sparse autoencoders are read by."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from discretevae.files import open_plain, read_text
from discretevae.names import shorten

__all__ = ["SparseFileError", "read_config", "read_tensors", "require_shapes"]


class SparseFileError(ValueError):
    """Raised where a folder holds no sparse autoencoder that can be loaded."""


def read_config(path: Path) -> dict[str, Any]:
    """Reads a configuration.

    Raises:
        SparseFileError: If it is missing or damaged.
    """
    try:
        found = json.loads(read_text(path))
    except FileNotFoundError:
        raise SparseFileError(f"`{path}` must exist, but does not.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SparseFileError(f"`{path}` must be plain JSON, got: {shorten(str(error))}") from None
    if not isinstance(found, dict):
        raise SparseFileError(f"`{path}` must hold a mapping, got {type(found).__name__}.")
    return found


def read_tensors(path: Path, needed: tuple[str, ...]) -> dict[str, Tensor]:
    """Reads tensors in float32; a pickle is never read.

    Raises:
        SparseFileError: If the file is missing or damaged, lacks a tensor, or has one with a number
            that is not finite.
    """
    try:
        with open_plain(path):
            found = load_file(path)
    except FileNotFoundError:
        raise SparseFileError(f"`{path}` must exist, but does not.") from None
    except (OSError, SafetensorError) as error:
        raise SparseFileError(
            f"`{path}` must be a whole safetensors file, got: {shorten(str(error))}"
        ) from None
    for name in needed:
        if name not in found:
            raise SparseFileError(
                f"`{path}` must hold the tensor {name!r}, got {', '.join(sorted(found)) or 'none'}."
            )
    for name, value in found.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise SparseFileError(f"`{path}` must hold finite numbers, {name!r} has others.")
    return {name: value.to(torch.float32) for name, value in found.items()}


def require_shapes(
    path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Refuses tensors that do not fit.

    Raises:
        SparseFileError: Naming the first.
    """
    for name, value in expected.items():
        if tensors[name].shape != value.shape:
            raise SparseFileError(
                f"`{path}` must have {name!r} of shape {tuple(value.shape)}, "
                f"got {tuple(tensors[name].shape)}."
            )
