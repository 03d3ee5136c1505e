"""No file that is read runs code: a payload lies wherever a pickle could, and leaves no mark."""

import ast
import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.cli.main import main
from discretevae.models import ModelError, from_pretrained
from discretevae.training.checkpoints import CheckpointError, read_checkpoint

SOURCES = sorted((Path(__file__).parent.parent / "src").rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
"""Modules whose loading runs code."""


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def as_pickle(payload: Payload) -> bytes:
    return pickle.dumps(payload)


def as_torch(payload: Payload) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": payload, "history": []}, file)
    return file.getvalue()


def as_old_torch(payload: Payload) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": payload, "history": []}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def as_numpy(payload: Payload) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


def as_npz(payload: Payload) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x", "codes", "identity"):
            archive.writestr(f"{name}.npy", as_numpy(payload))
    return file.getvalue()


KINDS = [as_pickle, as_torch, as_old_torch, as_numpy, as_npz]


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the-payload-ran"


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def content(request: pytest.FixtureRequest, mark: Path) -> bytes:
    return request.param(Payload(mark))


def load_carelessly(kind: Callable, content: bytes) -> None:
    if kind is as_pickle:
        pickle.loads(content)
    elif kind in (as_torch, as_old_torch):
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        found = np.load(io.BytesIO(content), allow_pickle=True)
        _ = found["x"] if kind is as_npz else found


@pytest.mark.parametrize("kind", KINDS)
def test_the_payload_would_run(kind: Callable, mark: Path) -> None:
    load_carelessly(kind, kind(Payload(mark)))
    assert mark.is_dir()


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("model.safetensors", "must be a whole safetensors file"),
        ("config.json", "must be readable JSON"),
    ],
)
def test_no_model(
    name: str, refusal: str, content: bytes, mark: Path, run_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run_folder / "model", tmp_path / "model")
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=refusal):
        from_pretrained(folder)
    assert not mark.exists()


def test_no_pickle_beside_the_weights_is_looked_at(
    mark: Path, run_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run_folder / "model", tmp_path / "model")
    for name in ("pytorch_model.bin", "model.pt", "model.pkl", "config.pkl"):
        (folder / name).write_bytes(as_torch(Payload(mark)))
    from_pretrained(folder)
    assert not mark.exists()


def test_no_checkpoint(content: bytes, mark: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"must be (a whole|the) checkpoint"):
        read_checkpoint(tmp_path / "last.ckpt")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_no_run_that_goes_on(
    name: str, mark: Path, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / "checkpoints" / name).write_bytes(as_torch(Payload(mark)))
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", str(folder), "--epochs", "4"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("discretevae train: ")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [("decode", "codes.npz"), ("reconstruct", "x.npy"), ("reconstruct", "x.npz")],
)
def test_no_file_of_codes_or_data(
    command: str, name: str, content: bytes, mark: Path, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as exit_:
        main([command, str(run_folder), str(tmp_path / name), "-o", str(tmp_path / "out.npy")])
    assert exit_.value.code == 2
    assert not mark.exists()


def test_no_options_of_a_run(mark: Path, run_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / "config.yaml").write_text(f"data: !!python/object/apply:os.mkdir ['{mark}']\n")
    with pytest.raises(SystemExit):
        main(["sample", str(folder)])
    assert not mark.exists()


def _calls(tree: ast.AST, module: str, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == module
    ]


def test_no_source_loads_carelessly() -> None:
    assert len(SOURCES) > 100
    for path in SOURCES:
        _require_careful(path)


def _require_careful(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for call in _calls(tree, "torch", "load"):
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert options.get("weights_only") == "True", path
    for call in _calls(tree, "np", "load"):
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert options.get("allow_pickle", "False") == "False", path
    for name in ("load", "unsafe_load", "full_load", "load_all"):
        assert not _calls(tree, "yaml", name), path
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    assert not imported & FORBIDDEN, path
