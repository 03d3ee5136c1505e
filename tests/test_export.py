"""Programs written for others, against the model they come from."""

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from discretevae import export as export_module
from discretevae.export import ExportError, export
from discretevae.likelihoods import TokenLikelihood
from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import CNN
from discretevae.schema.vocabulary import Vocabulary

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `export`")

PROGRAM = """
import sys, torch
from discretevae.export import export
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.networks import MLP

torch.manual_seed(0)
models = {
    "mlp": DiscreteVAE((6,), 3, 4, MLP((8,)), "continuous-bernoulli"),
    "image": DiscreteVAE((1, 8, 8), 3, 4, "image", embedding_size=2),
    "gaussian": GaussianVAE((6,), 3, MLP((8,)), "gaussian"),
}
for name, model in models.items():
    model.save_pretrained(f"{sys.argv[1]}/{name}/model")
    export(model, f"{sys.argv[1]}/{name}")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by a process of its own: checked shapes and tracing do not go together."""
    folder = tmp_path_factory.mktemp("export")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return folder


@pytest.mark.parametrize("name", ["mlp", "image", "gaussian"])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_programs_do_what_the_model_does(name: str, batch: int, folder: Path) -> None:
    model = from_pretrained(folder / name / "model")
    x = torch.rand(batch, *model.shape).round()
    with torch.no_grad():
        codes, expected = model.encode(x), model.reconstruct(x)
    for found, decoded in (by_onnx(folder / name, x), by_torch(folder / name, x)):
        torch.testing.assert_close(found, codes, atol=1e-3, rtol=0)
        torch.testing.assert_close(decoded, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "encoder.pt2", "decoder.pt2"])
@pytest.mark.parametrize("model", ["mlp", "image", "gaussian"])
def test_no_program_holds_a_path_of_this_machine(model: str, name: str, folder: Path) -> None:
    path = folder / model / name
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            content += b"".join(archive.read(part) for part in archive.namelist())
    for place in (Path(export_module.__file__).parent, Path(torch.__file__).parent, folder):
        assert str(place).encode() not in content
    assert b".py" not in content


def by_onnx(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    value = x.numpy()
    for part in ("encoder", "decoder"):
        session = onnxruntime.InferenceSession(str(folder / f"{part}.onnx"))
        found = value
        value = session.run(None, {session.get_inputs()[0].name: value})[0]
        if part == "encoder":
            codes = value
    assert isinstance(found, np.ndarray)
    return torch.from_numpy(codes), torch.from_numpy(value)


def by_torch(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    encoder, decoder = (
        torch.export.load(folder / f"{p}.pt2").module() for p in ("encoder", "decoder")
    )
    codes = encoder(x)[0]
    return codes, decoder(codes)


def test_a_program_that_is_not_the_model_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = SimpleNamespace(module=lambda: lambda x: x + 1)
    monkeypatch.setattr(torch.export, "export", lambda *_, **__: wrong)
    with pytest.raises(ExportError, match=r"`x.pt2` must agree with the model within 0.001, got 1"):
        export_module._write_program(torch.nn.Identity(), torch.zeros(3, 2), tmp_path / "x.pt2")
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"pip install \"discretevae\[export\]\""):
        export(DiscreteVAE((6,)), tmp_path)


def test_a_conditional_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="must have no condition"):
        export(DiscreteVAE((6,), context_shape=(2,)), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("likelihood", ["local-bernoulli", "tokens"])
def test_what_writes_one_after_the_other_is_refused(tmp_path: Path, likelihood: str) -> None:
    """In a line, where a program would be of thousands of steps or none at all."""
    if likelihood == "tokens":
        tokens = TokenLikelihood(Vocabulary(["a", "b"]), 4, features=3, width=3)
        model = DiscreteVAE((4,), 2, 3, likelihood=tokens)
    else:
        model = DiscreteVAE((1, 8, 8), 2, 3, CNN((2,)), likelihood)
    with pytest.raises(ExportError, match=f"must decode an observation at once .* {likelihood}"):
        export(model, tmp_path / "programs")
    assert not (tmp_path / "programs").exists()
