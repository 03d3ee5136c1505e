"""Encoder and decoder of a model for other programs: ONNX files and `torch.export` programs."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from discretevae.files import atomic_path
from discretevae.latents.variables import Known
from discretevae.models import VAE

__all__ = ["Decoder", "Encoder", "ExportError", "export"]

TOLERANCE = 1e-3
"""The largest difference between a written program and the model that is taken for rounding."""
BATCHES = (1, 3)
"""Batch sizes with which a written program is tried."""


class ExportError(ValueError):
    """Raised where a model cannot be written as a program, or the program is not the model."""


class Encoder(nn.Module):
    """x → the code, and what says how sure it is: (*B, *shape) → codes, probabilities.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> codes, probabilities = Encoder(DiscreteVAE((6,), 2, 3))(torch.zeros(5, 6))
        >>> codes.shape, probabilities.shape
        (torch.Size([5, 2]), torch.Size([5, 2, 3]))
    """

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model.posterior(x)
        return logits.argmax(-1), logits.softmax(-1)


class GaussianEncoder(nn.Module):
    """x → mean and standard deviation of q(z|x)."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.model.posterior(x).unbind(-1)
        return mean, log_scale.exp()


class Decoder(nn.Module):
    """Codes → what stands for p(x|z), its mean.

    Class indices must lie in [0, K); a program does not check that.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> Decoder(DiscreteVAE((6,), 2, 3))(torch.zeros(5, 2, dtype=torch.int64)).shape
        torch.Size([5, 6])
    """

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        chain = self.model.chain
        (k,) = set(chain.classes or ())
        z = nn.functional.one_hot(codes, k).to(self.model.dtype)
        return chain.likelihood.point(chain.observe(Known().plus(chain.order[0], z)))


class GaussianDecoder(nn.Module):
    """z → the mean of p(x|z)."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        return self.model.likelihood.point(self.model.decode(z))


class CodeEncoder(nn.Module):
    """x → the code, of a posterior that is a point."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.encode(x)


class CodeDecoder(nn.Module):
    """Codes → the mean of p(x|z), by the vectors of their codebooks."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.likelihood.point(self.model.decode(codes))


def export(model: VAE, folder: str | Path) -> list[Path]:
    """Writes encoder and decoder, each as `.onnx` and `.pt2`, and tries them against the model.

    The number of examples in a batch is free. ONNX needs the extra `export`; each ONNX program is
    run by onnxruntime and must agree with PyTorch within 0.001 before its file is kept.

    Arguments:
        model: A DiscreteVAE, GaussianVAE or QuantisedVAE without a condition.
        folder: Where encoder.onnx, decoder.onnx, encoder.pt2, decoder.pt2 and export.json go.

    Returns:
        The files.

    Raises:
        ExportError: If the model is another one, a package is missing, or a program differs.
    """
    if find_spec("onnxscript") is None or find_spec("onnxruntime") is None:
        raise ExportError('ONNX needs more packages: pip install "discretevae[export]".')
    folder, model = Path(folder), model.to("cpu", torch.float32).eval()
    files = []
    for name, (module, example, names) in _parts(model).items():
        files += [
            _write_onnx(module, example, names, folder / f"{name}.onnx"),
            _write_program(module, example, folder / f"{name}.pt2"),
        ]
    with atomic_path(folder / "export.json") as path:
        path.write_text(json.dumps(model.architecture(), indent=2) + "\n", encoding="utf-8")
    return [*files, folder / "export.json"]


Part = tuple[nn.Module, Tensor, tuple[str, list[str]]]


def _parts(model: VAE) -> dict[str, Part]:
    """Name → module, an example input, and what input and outputs are called."""
    if model.context_shape is not None:
        raise ExportError(
            f"`model` must have no condition to be exported, got a {model.kind} with."
        )
    if model.likelihood.autoregressive:
        raise ExportError(
            "`model` must decode an observation at once to be exported, got the "
            f"{model.likelihood.label} likelihood, which writes its {model.likelihood.apart} one "
            "after the other."
        )
    x = torch.rand(max(BATCHES), *model.shape).round()
    if model.codes_are_classes:
        codes = torch.zeros(max(BATCHES), model.chain.width, dtype=torch.int64)
        return {
            "encoder": (Encoder(model), x, ("x", ["codes", "probabilities"])),
            "decoder": (Decoder(model), codes, ("codes", ["x"])),
        }
    if model.codes_say_all:
        codes = torch.zeros(max(BATCHES), model.chain.width, dtype=torch.int64)
        return {
            "encoder": (CodeEncoder(model), x, ("x", ["codes"])),
            "decoder": (CodeDecoder(model), codes, ("codes", ["x"])),
        }
    if model.variables and model.chain.continuous:
        z = torch.zeros(max(BATCHES), model.chain.width)
        return {
            "encoder": (GaussianEncoder(model), x, ("x", ["mean", "standard_deviation"])),
            "decoder": (GaussianDecoder(model), z, ("z", ["x"])),
        }
    raise ExportError(
        "`model` must have a code of classes alone or of numbers alone to be exported, "
        f"got a {model.kind}."
    )


def _write_program(module: nn.Module, example: Tensor, path: Path) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(module, (example,), dynamic_shapes=shapes)
    for size in BATCHES:
        _require_alike(module, example[:size], program.module()(example[:size]), path)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.export.save(program, file)
    return path


def _write_onnx(
    module: nn.Module, example: Tensor, names: tuple[str, list[str]], path: Path
) -> Path:
    import onnxruntime

    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            input_names=[names[0]],
            output_names=names[1],
            verbose=False,
        )
    assert program is not None
    graphs: list[Any] = [program.model.graph, *program.model.functions.values()]
    for graph in graphs:
        for node in graph.all_nodes():
            node.metadata_props.clear()  # among them paths of this machine
    with atomic_path(path) as temporary:
        program.save(temporary)
        session = onnxruntime.InferenceSession(
            temporary.read_bytes(), providers=["CPUExecutionProvider"]
        )
        for size in BATCHES:
            outputs = session.run(None, {names[0]: example[:size].numpy()})
            found = tuple(torch.from_numpy(output) for output in outputs)
            _require_alike(module, example[:size], found, path)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what the exporter says of packages that are not needed out of the terminal."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@torch.no_grad()
def _require_alike(
    module: nn.Module, x: Tensor, found: Tensor | tuple[Tensor, ...], path: Path
) -> None:
    expected = module(x)
    pairs = zip(_tuple(expected), _tuple(found), strict=True)
    worst = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
    if not worst <= TOLERANCE:
        raise ExportError(
            f"`{path.name}` must agree with the model within {TOLERANCE}, got {worst:.2g}."
        )


def _tuple(values: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return values if isinstance(values, tuple) else (values,)
