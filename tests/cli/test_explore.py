import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from discretevae.cli.main import main
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
