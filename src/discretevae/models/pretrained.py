"""A model as two files, `config.json` and `model.safetensors`: no pickle, no code."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from discretevae.files import atomic_path
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.gaussian import GaussianVAE
from discretevae.models.hierarchical import HierarchicalVAE
from discretevae.models.joint import JointVAE
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.models.vae import VAE
from discretevae.names import resolve

__all__ = ["ModelError", "from_pretrained", "require_savable", "save_pretrained"]

FORMAT = 1
CHECKSUM = "sha256"
"""Where config.json says what it and the weights add up to."""
BLOCK = 2**20
MODELS: dict[str, type[VAE]] = {
    kind.kind: kind
    for kind in (DiscreteVAE, GaussianVAE, HierarchicalVAE, JointVAE, SemiSupervisedVAE)
}


class ModelError(ValueError):
    """Raised where a folder holds no model that can be loaded."""


def save_pretrained(model: VAE, folder: str | Path) -> None:
    """Writes the architecture and the weights; what training alone needs is left out.

    `config.json` holds a checksum of itself and of the weights, so that files that are damaged, or
    are not a pair, are refused. A kill leaves the model that was there before, or the new one.
    """
    folder = Path(folder)
    weights = {name: value.contiguous().cpu() for name, value in model.weights().items()}
    config = {"format": FORMAT, "model": model.kind, **model.architecture()}
    # Both files are whole before either takes its final name.
    with (
        atomic_path(folder / "config.json") as config_file,
        atomic_path(folder / "model.safetensors") as weights_file,
    ):
        save_file(weights, weights_file)
        config[CHECKSUM] = _checksum(config, weights_file)
        config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def from_pretrained(folder: str | Path, **options: Any) -> VAE:
    """Loads a model written by `save_pretrained`.

    Arguments:
        folder: Where `config.json` and `model.safetensors` are.
        options: What training needs and files do not hold: `estimator`, `beta`; and modules of
            one's own, `encoder` and `decoder`, where the model has them.

    Raises:
        ModelError: If a file is missing or damaged, or the weights do not fit the configuration;
            files that were edited by hand, if the checksum is still there.
    """
    folder = Path(folder)
    config = _read_config(folder / "config.json")
    shapes = _read_shapes(folder / "model.safetensors")
    if not (paired := _is_pair(config, folder)):
        found = _config_left_behind(folder)
        config, paired = found or config, found is not None
    try:
        with torch.device("meta"):  # compares sizes before any memory is taken
            expected = {
                name: tuple(value.shape)
                for name, value in _build(config, **_own_modules(options)).weights().items()
            }
    except Exception as error:  # a damaged description fails in many ways
        missing = "nothing named " * isinstance(error, KeyError)
        raise ModelError(
            f"`{folder / 'config.json'}` must describe a model: {missing}{error}"
        ) from None
    _require_fit(expected, shapes, folder)
    if not paired:
        raise ModelError(
            f"`{folder}` is damaged: config.json and model.safetensors do not have the checksum "
            f"with which they were saved (`{CHECKSUM}` in config.json)."
        )
    model, weights = _build(config, **options), load_file(folder / "model.safetensors")
    model.to(next(w.dtype for w in weights.values() if w.is_floating_point()))
    model.load_state_dict(weights, strict=False)
    return model.eval()


def require_savable(model: VAE) -> None:
    """Refuses a model that could not be saved and loaded again, before it is trained.

    Raises:
        ModelError: Saying what does not describe itself, or has no name.
    """
    try:
        config = json.loads(json.dumps({"model": model.kind, **model.architecture()}))
        modules = {name: getattr(model, name) for name in config["network"].get("modules", ())}
        with torch.device("meta"):
            again = {name: v.shape for name, v in _build(config, **modules).weights().items()}
    except Exception as error:  # a part of one's own fails in its own way
        missing = "nothing named " * isinstance(error, KeyError)
        raise ModelError(
            f"`model` must be one that can be saved and loaded again, got a {model.kind}: "
            f"{missing}{error}"
        ) from None
    if again != {name: v.shape for name, v in model.weights().items()}:
        raise ModelError(
            f"`model` must be what its `architecture` describes, got a {model.kind} with other "
            "weights."
        )


def _own_modules(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of options of a model, the modules that take the place of its networks."""
    return {name: options[name] for name in ("encoder", "decoder") if name in options}


def _checksum(config: Mapping[str, Any], weights: Path) -> str:
    """Gives the SHA-256 of a configuration and of the file of its weights."""
    plain = {key: value for key, value in config.items() if key != CHECKSUM}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    with weights.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_pair(config: Mapping[str, Any], folder: Path) -> bool:
    """Whether the weights are those of a configuration, or it does not say."""
    return config.get(CHECKSUM) in (None, _checksum(config, folder / "model.safetensors"))


def _config_left_behind(folder: Path) -> dict[str, Any] | None:
    """Finds what was to be config.json when a kill came after the weights had been replaced."""
    for path in folder.glob(".config-*.json"):
        with suppress(ModelError):
            config = _read_config(path)
            if CHECKSUM in config and _is_pair(config, folder):
                return config
    return None


def _build(config: dict[str, Any], **options: Any) -> VAE:
    kind = resolve("model", str(config.get("model")), MODELS)
    for key in ("shape", "num_latents", "network", "likelihood"):
        if key not in config:
            raise ValueError(f"`{key}` is missing.")
    architecture = {k: v for k, v in config.items() if k not in ("format", "model", CHECKSUM)}
    if not isinstance(architecture["likelihood"], dict):
        architecture["likelihood"] = str(architecture["likelihood"])
    return kind.from_architecture(architecture, **options)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"`{path}` must exist: the folder holds no saved model.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"`{path}` must be readable JSON, got: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise ModelError(f"`{path}` must be a model of format {FORMAT}, got {found!r}.")
    return config


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ModelError(f"`{path}` must exist: the folder holds no weights.") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"`{path}` must be a whole safetensors file, got: {error}") from None


def _require_fit(
    expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]], folder: Path
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ModelError(
                f"`{folder / 'model.safetensors'}` must fit config.json: {name} must have shape "
                f"{expected.get(name)}, got {found.get(name)}."
            )
