import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discretevae.cli.main import main
from discretevae.experiments.characters import prepare_demo
from discretevae.models import GaussianVAE
from discretevae.networks import MLP
from discretevae.pages.explorer import serving


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(["explore", *words])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_without_gradio_the_install_is_named(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    error = refused([str(run_folder)], capsys)
    assert error == (
        "discretevae explore: the explorer needs more packages: "
        'pip install "discretevae[explore]".\n'
    )


def test_other_models_are_refused(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(run_folder, tmp_path / "run")
    GaussianVAE((1, 8, 8), 2, MLP((4,))).save_pretrained(run / "model")
    assert "`RUN` must be of a discrete model" in refused([str(run)], capsys)


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none(
    port: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused([str(run_folder), "--port", port], capsys)
    assert f"`port` must be from 1 to 65535, got {port}" in error


def test_the_page_of_a_run_is_served(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr(serving, "serve", lambda *words: served.append(words))
    before = sorted(run_folder.rglob("*"))
    main(["explore", str(run_folder), "--no-browser", "--port", "7999"])
    ((blocks, port, browser),) = served
    assert (port, browser) == (7999, False)
    assert blocks.title.startswith("run")
    assert not blocks.analytics_enabled
    assert sorted(run_folder.rglob("*")) == before


FAST = ["--steps", "4", "--width", "24", "--k", "3", "--batch-size", "100", "--accelerator", "cpu"]


def test_latents_of_activations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    main(["sparse", "x.npy", *FAST, "-o", "run"])
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr(serving, "serve", lambda *words: served.append(words))
    before = sorted(Path("run").rglob("*"))
    main(["explore", "run", "--no-browser"])
    ((blocks, port, browser),) = served
    assert (port, browser) == (None, False)
    assert blocks.title.startswith("run")
    assert sorted(Path("run").rglob("*")) == before


def test_latents_of_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    for name, value in (("STEPS", 2), ("MOST", 3000), ("SCORED", 700)):
        monkeypatch.setattr(f"discretevae.experiments.characters.{name}", value)
    monkeypatch.chdir(tmp_path)
    main(["sparse", "--demo", *FAST, "-o", "run"])
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr(serving, "serve", lambda *words: served.append(words))
    main(["explore", "run", "--no-browser"])
    (looked,) = [b for b in served[0][0].blocks.values() if type(b).__name__ == "HTML"]
    assert "foretells" in looked.value
    capsys.readouterr()
    Path("run/demo/network.safetensors").write_bytes(b"spoilt")
    error = refused(["run"], capsys)
    assert "must hold the network of the demonstration" in error
    Path("run/demo/network.safetensors").unlink()
    assert "must hold the network" in refused(["run"], capsys)
    assert not Path("run/demo/network.safetensors").exists()


def test_what_the_network_foretells_is_that_of_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STEPS", 2), ("MOST", 3000)):
        monkeypatch.setattr(f"discretevae.experiments.characters.{name}", value)
    demo = prepare_demo(tmp_path / "demo")
    rows = torch.tensor([0, 63, 64, 700])
    x = torch.from_numpy(np.load(demo.activations))[rows].float()
    seen: list[torch.Tensor] = []
    found = demo.foretold(rows, lambda given: (seen.append(given), given)[1])
    here = seen[0][torch.arange(4), rows % 64]
    torch.testing.assert_close(here, x, atol=2e-3, rtol=2e-3)  # half precision on disk
    torch.testing.assert_close(found.exp().sum(1), torch.ones(4))
    starts = rows // 64 * 64
    tokens = torch.stack([demo.tokens[i : i + 64] for i in starts])
    expected = demo.network(tokens)[torch.arange(4), rows % 64].log_softmax(-1).detach()
    torch.testing.assert_close(found, expected)
