"""A notebook shows a model's codes in a frame, which needs neither a server nor the kernel."""

import html
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import discretevae
from discretevae.models import GaussianVAE
from discretevae.pages.explorer import ExplorerError, explore

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELLS = """\
import discretevae
digits = discretevae.load_data("digits", binarize="threshold", limit=20)
discretevae.DiscreteVAE(digits.shape, 2, 3).explore(digits)"""


def framed(shown: Any, folder: Path) -> str:
    """Writes a page as a notebook does, with the explorer in its frame."""
    file = folder / "notebook.html"
    file.write_text(f"<!DOCTYPE html><title>A notebook</title>{shown._repr_html_()}")
    return file.as_uri()


def test_a_choice_changes_what_is_decoded_in_the_frame(
    make: Callable, tmp_path: Path, page: "Page"
) -> None:
    model, data = make("images")
    page.goto(framed(model.explore(data), tmp_path))
    frame = page.frame_locator("iframe")
    said = frame.locator("output")
    before = said.inner_text()
    assert before.startswith("Code of example")
    code = [int(k) for k in re.findall(r"\d+", before.split(":")[1])]
    other = (code[1] + 1) % 4
    frame.get_by_label(f"latent 1, category {other}").check(force=True)
    assert f"changed: latent 1 from {code[1]} to {other}." in said.inner_text()


@pytest.mark.parametrize("kind", ["images", "sentences", "rows"])
def test_without_data_it_starts_from_the_prior(
    kind: str, make: Callable, tmp_path: Path, page: "Page"
) -> None:
    page.goto(framed(explore(make(kind)[0]), tmp_path))
    frame = page.frame_locator("iframe")
    assert "sample 1 from the prior" in frame.locator("output").inner_text()
    assert frame.locator(".bases").is_hidden()
    frame.get_by_role("button", name="Sample from the prior").click()
    assert "sample 2 from the prior" in frame.locator("output").inner_text()


def test_arrays_are_taken_as_the_model_sees_them(make: Callable) -> None:
    model, data = make("images")
    shown = explore(model, data.test.values()[:3])
    assert shown.page.count("example 3") == 1
    assert "example 4" not in shown.page


def test_a_text_is_no_markup_of_the_notebook(make: Callable) -> None:
    shown = explore(*make("sentences"))
    frame = shown._repr_html_()
    assert "<script" not in frame
    assert html.unescape(frame).count("<script") == 2


def test_where_there_is_no_notebook_a_line_says_so(
    make: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = explore(*make("images"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "save('explorer.html')" in line
    assert repr(shown).startswith("<Explorer of the codes of 3 latents of 4 categories")
    assert shown.save(tmp_path / "page.html").read_text(encoding="utf-8") == shown.page


def test_the_model_is_left_in_its_mode(make: Callable) -> None:
    model, data = make("images")
    model.train()
    explore(model, data)
    assert model.training
    model.eval()


def test_what_cannot_be_explored_is_named(make: Callable) -> None:
    for model in (GaussianVAE((1, 8, 8), 3), make("grids")[0]):
        with pytest.raises(ExplorerError, match="`model` must be one whose code is D categories"):
            explore(model)
    with pytest.raises(ValueError, match="`data` must be given for a model of p"):
        explore(make("conditional")[0])
    with pytest.raises(ValueError, match="must"):
        explore(make("images")[0], torch.zeros(3, 1, 8, 7))


def test_an_executed_notebook_keeps_it_and_does_not_wait() -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    if find_spec("ipykernel") is None:
        pytest.skip("ipykernel is not installed")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELLS)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [output for output in notebook.cells[0].outputs if "data" in output]
    assert "latent 1" not in shown[0]["data"]["text/plain"]
    assert shown[0]["data"]["text/html"].startswith("<iframe")
    assert not [o for o in notebook.cells[0].outputs if o.get("name") == "stderr"]
    assert "explore" in dir(discretevae)
