"""A model as two files, `config.json` and `model.safetensors`: no pickle, no code."""

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from discretevae.files import atomic_path, open_plain, read_text
from discretevae.models.blockwise import BlockwiseVAE
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.gaussian import GaussianVAE
from discretevae.models.hierarchical import HierarchicalVAE
from discretevae.models.joint import JointVAE
from discretevae.models.quantised import QuantisedVAE
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.models.two_level import TwoLevelVAE
from discretevae.models.vae import VAE
from discretevae.names import resolve, shorten

__all__ = ["ModelError", "from_pretrained", "rebuilt", "require_savable", "save_pretrained"]

FORMAT = 1
CHECKSUM = "sha256"
"""Where config.json says what it and the weights add up to."""
BLOCK = 2**20
MOST = 2**26
"""Bytes of config.json; a vocabulary of 100,000 pieces takes some."""
HEADER = 2**24
"""Bytes of what a file of weights says of itself, at most."""
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
TYPES = {
    **FLOATS,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}
"""What a file of weights calls the types that a model may have."""
LEFT = 4
"""Files left by kills that are looked at."""
LEAST, LEAST_LAYERS = 2**10, 8
"""What the size of a tiny model may be said to be."""
OBSERVATION = 2**22
"""Numbers of an observation, of which convolutions say nothing."""
BUDGET = 2**20
"""Codes that a prior may be said to sum over: no size of anything that it holds."""
LEARNED = ("columns", "vocabulary")
"""What data say of themselves."""
MODELS: dict[str, type[VAE]] = {
    kind.kind: kind
    for kind in (
        BlockwiseVAE,
        DiscreteVAE,
        GaussianVAE,
        HierarchicalVAE,
        JointVAE,
        QuantisedVAE,
        SemiSupervisedVAE,
        TwoLevelVAE,
    )
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


def rebuilt(model: VAE, **changes: Any) -> VAE:
    """Gives the same weights another description, which must fit them.

    Arguments:
        model: Whose weights are copied.
        changes: What is other in its architecture.

    Example:
        >>> model = DiscreteVAE((3,), 2, 4)
        >>> bool((rebuilt(model).encoder[1].weight == model.encoder[1].weight).all())
        True
    """
    config = json.loads(json.dumps({"model": model.kind, **model.architecture(), **changes}))
    other = _build(config, **deepcopy(_modules_of(model, config))).to(model.dtype)
    other.load_state_dict(model.weights(), strict=False)
    return other.eval()


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
    found = _read_header(folder / "model.safetensors")
    if not (paired := _is_pair(config, folder)):
        left = _config_left_behind(folder)
        config, paired = left or config, left is not None
    try:
        _require_sizes(config, found)
        with torch.device("meta"):  # compares sizes before any memory is taken
            expected = _build(config, **_own_modules(options)).weights()
    except Exception as error:  # a damaged description fails in many ways
        missing = "nothing named " * isinstance(error, KeyError)
        raise ModelError(
            f"`{folder / 'config.json'}` must describe a model: {missing}{shorten(str(error))}"
        ) from None
    _require_fit(expected, found, folder)
    if not paired:
        raise ModelError(
            f"`{folder}` is damaged: config.json and model.safetensors do not have the checksum "
            f"with which they were saved (`{CHECKSUM}` in config.json)."
        )
    model, weights = _build(config, **options), load_file(folder / "model.safetensors")
    _require_finite(weights, folder)
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
        with torch.device("meta"):
            other = _build(config, **_modules_of(model, config))
        again = {name: v.shape for name, v in other.weights().items()}
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


def _modules_of(model: VAE, config: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The user's own modules, which a description only names."""
    return {name: getattr(model, name) for name in config["network"].get("modules", ())}


def _own_modules(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of options of a model, the modules that take the place of its networks."""
    return {name: options[name] for name in ("encoder", "decoder") if name in options}


def _checksum(config: Mapping[str, Any], weights: Path) -> str:
    """Gives the SHA-256 of a configuration and of the file of its weights."""
    plain = {key: value for key, value in config.items() if key != CHECKSUM}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    with open_plain(weights) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_pair(config: Mapping[str, Any], folder: Path) -> bool:
    """Whether the weights are those of a configuration, or it does not say."""
    return config.get(CHECKSUM) in (None, _checksum(config, folder / "model.safetensors"))


def _config_left_behind(folder: Path) -> dict[str, Any] | None:
    """Finds what was to be config.json when a kill came after the weights had been replaced."""
    for path in islice(folder.glob(".config-*.json"), LEFT):
        with suppress(ModelError):
            config = _read_config(path)
            if CHECKSUM in config and _is_pair(config, folder):
                return config
    return None


def _build(config: dict[str, Any], **options: Any) -> VAE:
    kind = resolve("model", str(config.get("model")), MODELS)
    for key in ("shape", kind.sized_by, "network", "likelihood"):
        if key not in config:
            raise ValueError(f"`{key}` is missing.")
    architecture = {k: v for k, v in config.items() if k not in ("format", "model", CHECKSUM)}
    if not isinstance(architecture["likelihood"], dict):
        architecture["likelihood"] = str(architecture["likelihood"])
    return kind.from_architecture(architecture, **options)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(read_text(path, MOST))
    except FileNotFoundError:
        raise ModelError(f"`{path}` must exist: the folder holds no saved model.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"`{path}` must be readable JSON, got: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise ModelError(f"`{path}` must be a model of format {FORMAT}, got {found!r}.")
    return config


class _Entry(NamedTuple):
    """What a file of weights says of a tensor."""

    dtype: str
    shape: tuple[int, ...]


def _read_header(path: Path) -> dict[str, _Entry]:
    try:
        with open_plain(path) as start:
            length = int.from_bytes(start.read(8), "little")
        if length > HEADER:
            raise ValueError(f"a header of {length:,} bytes")
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {n: _Entry(s.get_dtype(), tuple(s.get_shape())) for n, s in slices.items()}
    except FileNotFoundError:
        raise ModelError(f"`{path}` must exist: the folder holds no weights.") from None
    except (SafetensorError, OSError, ValueError) as error:
        reason = shorten(str(error))
        raise ModelError(f"`{path}` must be a whole safetensors file, got: {reason}") from None


def _require_sizes(config: Mapping[str, Any], found: Mapping[str, _Entry]) -> None:
    """Refuses what the weights cannot be of, before anything is built.

    Every layer has a tensor, and every size is one of a tensor, which has as many numbers at least.
    """
    values = sum(math.prod(entry.shape) for entry in found.values())
    limits = _Limits(values + LEAST, len(found) + LEAST_LAYERS)
    for name, value in config.items():
        if name == "shape":
            limits.require_observation(value)
        else:
            limits.require(name, value)


class _Limits(NamedTuple):
    """How many numbers and how many layers a model may have."""

    values: int
    layers: int

    def require_observation(self, shape: Any) -> None:
        count = math.prod(shape) if all(isinstance(size, int) for size in shape) else 0
        if count > max(self.values, OBSERVATION):
            raise ValueError(f"`shape` must have at most {OBSERVATION} numbers, got {count:.3g}.")

    def require(self, name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, part in value.items():
                if key not in LEARNED:  # as long as the file says they are
                    self.require(key, part)
        elif isinstance(value, list):
            self._require_at_most(f"{name}` by its entries, `{name}", len(value), self.layers)
            for part in value:
                self.require(name, part)
        elif isinstance(value, int):
            most = {"layers": self.layers, "budget": max(self.values, BUDGET)}
            self._require_at_most(name, value, most.get(name, self.values))

    def _require_at_most(self, name: str, value: int, most: int) -> None:
        if abs(value) > most:
            raise ValueError(f"`{name}` must be at most {most}, as the weights have it, got more.")


def _require_fit(expected: Mapping[str, Tensor], found: Mapping[str, _Entry], folder: Path) -> None:
    """Compares names, shapes and types; all numbers that are real are of one type of them."""
    path = folder / "model.safetensors"
    for name in sorted(expected.keys() | found.keys()):
        shape = tuple(expected[name].shape) if name in expected else None
        got = found[name].shape if name in found else None
        if shape != got:
            raise ModelError(
                f"`{path}` must fit config.json: {shorten(name)} must have shape {shape}, got "
                f"{got}."
            )
    real = {n: entry.dtype for n, entry in found.items() if expected[n].is_floating_point()}
    for name, dtype in sorted(real.items()):
        if dtype not in FLOATS or dtype != next(iter(real.values())):
            raise ModelError(
                f"`{path}` must hold numbers of one type of {', '.join(FLOATS)}, got {dtype} in "
                f"{name}."
            )
    for name in sorted(found.keys() - real.keys()):
        if TYPES.get(found[name].dtype) != expected[name].dtype:
            raise ModelError(
                f"`{path}` must fit config.json: {name} must be {expected[name].dtype}, got "
                f"{found[name].dtype}."
            )


def _require_finite(weights: Mapping[str, Tensor], folder: Path) -> None:
    for name, value in weights.items():
        if not bool(value.isfinite().all()):
            raise ModelError(
                f"`{folder / 'model.safetensors'}` must hold finite numbers, got NaN or infinite "
                f"in {name}."
            )
