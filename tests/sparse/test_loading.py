"""Files that SAELens and sparsify read with equal outputs, and theirs read by us."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from discretevae.sparse import (
    SPARSE_KINDS,
    SparseAutoencoder,
    SparseFileError,
    load,
    save,
    save_sparsify,
)

Make = Callable[..., Any]
KINDS = list(SPARSE_KINDS)
OF_A_BATCH = ("batch-topk", "matryoshka")


def made(make: Make, kind: str, x: Tensor, **options: Any) -> SparseAutoencoder:
    model = make(kind, **options)
    if kind in OF_A_BATCH:
        model.calibrate(x)
    if kind == "jumprelu":
        model.threshold.data.uniform_(0.0, 2.0)
    return model.float().eval()


def saelens() -> Any:
    return pytest.importorskip("sae_lens", reason="SAELens reads and writes such files")


def sparsify() -> Any:
    return pytest.importorskip("sparsify", reason="sparsify reads and writes such files")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim_out", [None, 4])
def test_what_is_saved_is_loaded(
    kind: str, dim_out: int | None, make: Make, x: Tensor, tmp_path: Path
) -> None:
    model = made(make, kind, x, dim_out=dim_out)
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.config() == model.config()
    assert torch.equal(again(x.float()), model(x.float()))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cfg.json",
        "sae_weights.safetensors",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_saelens_loads_it(kind: str, make: Make, x: Tensor, tmp_path: Path) -> None:
    model = made(make, kind, x)
    save(model, tmp_path)
    theirs = saelens().SAE.load_from_disk(str(tmp_path))
    torch.testing.assert_close(theirs.encode(x.float()), model.encode(x.float()), atol=1e-5, rtol=0)
    torch.testing.assert_close(theirs(x.float()), model(x.float()), atol=1e-5, rtol=0)
    again = theirs.cfg.metadata.sae_lens_version
    assert int(again.split(".")[0]) >= 6


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "batch-topk"])
def test_saelens_loads_transcoders(kind: str, make: Make, x: Tensor, tmp_path: Path) -> None:
    model = made(make, kind, x, dim_out=4)
    save(model, tmp_path)
    theirs = saelens().SAE.load_from_disk(str(tmp_path))
    torch.testing.assert_close(theirs(x.float()), model(x.float()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim_out", [None, 6])
def test_sparsify_loads_it(dim_out: int | None, make: Make, x: Tensor, tmp_path: Path) -> None:
    model = made(make, "topk", x, dim_out=dim_out)
    save_sparsify(model, tmp_path)
    theirs = sparsify().SparseCoder.load_from_disk(tmp_path)
    torch.testing.assert_close(theirs(x.float()).sae_out, model(x.float()), atol=1e-5, rtol=0)
    assert torch.equal(load(tmp_path)(x.float()), model(x.float()))


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "gated"])
@pytest.mark.parametrize("shifted", [False, True])
def test_saelens_files_are_read(
    architecture: str, shifted: bool, x: Tensor, tmp_path: Path
) -> None:
    lens = saelens()
    classes = {
        "standard": (lens.StandardSAE, lens.StandardSAEConfig, {}),
        "topk": (lens.TopKSAE, lens.TopKSAEConfig, {"k": 3, "rescale_acts_by_decoder_norm": True}),
        "jumprelu": (lens.JumpReLUSAE, lens.JumpReLUSAEConfig, {}),
        "gated": (lens.GatedSAE, lens.GatedSAEConfig, {}),
    }
    cls, config, extra = classes[architecture]
    torch.manual_seed(0)
    theirs = cls(config(d_in=6, d_sae=20, apply_b_dec_to_input=not shifted, **extra))
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.normal_(std=0.5)
            if name == "threshold":
                parameter.abs_()
    theirs.save_model(tmp_path)
    torch.testing.assert_close(load(tmp_path)(x.float()), theirs(x.float()), atol=1e-5, rtol=1e-5)


def test_sparsify_files_are_read(x: Tensor, tmp_path: Path) -> None:
    module = sparsify()
    torch.manual_seed(0)
    theirs = module.SparseCoder(6, module.SparseCoderConfig(num_latents=20, k=3))
    theirs.b_dec.data.normal_()
    theirs.save_to_disk(tmp_path)
    torch.testing.assert_close(
        load(tmp_path)(x.float()), theirs(x.float()).sae_out, atol=1e-5, rtol=0
    )


def test_a_foreign_configuration_without_ours(make: Make, x: Tensor, tmp_path: Path) -> None:
    """What SAELens itself would have written of the same weights."""
    model = made(make, "batch-topk", x)
    save(model, tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    del config["metadata"]["discretevae"]
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    again = load(tmp_path)
    assert again.kind == "jumprelu"
    torch.testing.assert_close(again(x.float()), model(x.float()))


def change(folder: Path, **changes: Any) -> None:
    path = folder / "cfg.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without(folder: Path, name: str) -> None:
    tensors = load_file(folder / "sae_weights.safetensors")
    tensors.pop(name)
    save_file(tensors, folder / "sae_weights.safetensors")


def spoilt(folder: Path, name: str) -> None:
    tensors = load_file(folder / "sae_weights.safetensors")
    tensors[name].view(-1)[0] = torch.nan
    save_file(tensors, folder / "sae_weights.safetensors")


def cut(folder: Path) -> None:
    path = folder / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: without(f, "W_dec"), "must hold the tensor 'W_dec', got W_enc, b_dec, b_enc"),
        (lambda f: spoilt(f, "W_enc"), "must hold finite numbers, 'W_enc' has others"),
        (cut, "must be a whole safetensors file"),
        (lambda f: (f / "cfg.json").write_text("{"), "must be plain JSON"),
        (lambda f: (f / "cfg.json").write_text("[]"), "must hold a mapping, got list"),
        (lambda f: (f / "cfg.json").unlink(), "cfg.json` must exist"),
        (lambda f: change(f, metadata={}, architecture="odd"), "architecture among"),
        (lambda f: change(f, metadata={}, normalize_activations="layer_norm"), "normalize_activ"),
        (lambda f: change(f, metadata={}, d_in="six"), "whole numbers d_in and d_sae"),
        (lambda f: change(f, metadata={}, d_in=7), r"'W_enc' of shape \(7, 20\), got \(6, 20\)"),
        (lambda f: change(f, metadata={"discretevae": {"kind": "x"}}), "must describe an auto"),
        (lambda f: change(f, metadata={"discretevae": {"kind": "topk"}}), "must describe an auto"),
    ],
)
def test_what_is_damaged_is_refused_in_a_line(
    harm: Callable[[Path], Any], says: str, make: Make, x: Tensor, tmp_path: Path
) -> None:
    save(made(make, "topk", x), tmp_path)
    harm(tmp_path)
    with pytest.raises(SparseFileError, match=says) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "ae.pt").write_bytes(b"")
    with pytest.raises(SparseFileError, match=r"got ae.pt, a pickle, which is never loaded"):
        load(tmp_path)


def test_sparsify_knows_top_k_alone(make: Make, x: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`model` must be of kind topk for sparsify, got 'relu'"):
        save_sparsify(made(make, "relu", x), tmp_path)


@pytest.mark.parametrize(
    ("change", "says"), [({"activation": "groupmax"}, "activation 'topk'"), ({"k": 99}, "and k")]
)
def test_other_files_of_sparsify_are_refused(
    change: dict[str, Any], says: str, make: Make, x: Tensor, tmp_path: Path
) -> None:
    save_sparsify(made(make, "topk", x), tmp_path)
    path = tmp_path / "cfg.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SparseFileError, match=says):
        load(tmp_path)
