"""What the page of a run shows is what the model decodes: computed here, and seen in Chromium."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from discretevae.models import GaussianVAE
from discretevae.pages.explorer import precomputed
from discretevae.pages.explorer.precomputed import precompute
from discretevae.pages.report import ReportExplorer, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

KINDS = ["images", "conditional", "sentences", "rows"]


def shown(explorer: ReportExplorer, number: int) -> Any:
    """What stands at a place of the sheet, or in a row of the texts."""
    decoded = explorer.data["decoded"]
    if explorer.data["header"]:
        return decoded[number]
    file = io.BytesIO(base64.b64decode(decoded["source"].split(",")[1]))
    width, height = decoded["width"], decoded["height"]
    x, y = number % decoded["columns"] * width, number // decoded["columns"] * height
    return np.array(Image.open(file))[y : y + height, x : x + width]


def expected(model: Any, code: list[int]) -> np.ndarray:
    point = model.likelihood.point(model.decode(torch.tensor([code])))
    return np.round(point[0, 0].detach().numpy() * 255).astype(np.uint8)


def written(explorer: ReportExplorer | None, folder: Path) -> Path:
    texts = {"title": "A run", "summary": [], "metrics": {}, "config": {}, "figures": []}
    return write_report(folder / "report.html", **texts, explorer=explorer)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_can_be_chosen_is_decoded(kind: str, make: Callable) -> None:
    explorer = precompute(*make(kind), seed=0)
    assert explorer.data["every"] == (kind != "conditional")
    assert len(explorer.data["latents"]) == 3
    bases = explorer.data["bases"]
    assert {base["input"] is None for base in bases} == {True, False}
    places = 64 if explorer.data["every"] else len(bases) * 3 * 4
    shown(explorer, places - 1)
    if explorer.data["header"]:
        assert len(explorer.data["decoded"]) == places


def test_every_code_has_its_number(make: Callable) -> None:
    model, data = make("images")
    explorer = precompute(model, data, seed=0)
    for code in ([0, 0, 0], [3, 1, 2], [3, 3, 3]):
        number = code[0] * 16 + code[1] * 4 + code[2]
        assert (shown(explorer, number) == expected(model, code)).all()


def test_where_codes_are_many_single_changes_are_shown(make: Callable) -> None:
    model, data = make("images", num_latents=8, num_categories=5)
    explorer = precompute(model, data, seed=0)
    assert not explorer.data["every"]
    assert "one step away" in explorer.caption
    base = explorer.data["bases"][2]
    code = [*base["code"][:6], 4, *base["code"][7:]]
    assert (shown(explorer, (2 * 8 + 6) * 5 + 4) == expected(model, code)).all()


def test_a_page_stays_small(make: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make("images", num_latents=8, num_categories=5)
    monkeypatch.setattr(precomputed, "BYTES", 12_000)
    explorer = precompute(*case, seed=0)
    assert len(explorer.data["decoded"]["source"]) <= 12_000
    assert len(explorer.data["bases"]) < 16
    monkeypatch.setattr(precomputed, "BYTES", 100)
    assert precompute(*case, seed=0) is None


def test_few_of_many_latents_are_shown_and_the_page_says_so(make: Callable) -> None:
    explorer = precompute(*make("images", num_latents=300, num_categories=4), seed=0)
    assert len(explorer.data["latents"]) == 256
    assert "the first 256 of 300 latents" in explorer.caption


def test_other_models_get_none(make: Callable) -> None:
    _, data = make("images")
    assert precompute(GaussianVAE(data.shape, 2), data, seed=0) is None


def test_the_policy_names_the_one_script(make: Callable, tmp_path: Path) -> None:
    page = written(precompute(*make("sentences"), seed=0), tmp_path).read_text("utf-8")
    assert "script-src 'sha256-" in page
    assert page.count("<script>") == 1
    assert page.count("</script>") == 2  # data hold it too, but not as markup
    without = written(None, tmp_path).read_text("utf-8")
    assert "script" not in without.split("<body>")[0]
    assert "<script" not in without


def canvas(page: "Page", selector: str) -> np.ndarray:
    """Grey values of a canvas."""
    pixels, width, height = page.eval_on_selector(
        selector,
        """c => [[...c.getContext("2d").getImageData(0, 0, c.width, c.height).data],
                 c.width, c.height]""",
    )
    return np.array(pixels, dtype=np.uint8).reshape(height, width, 4)[..., 0]


def choose(page: "Page", latent: int, category: int) -> None:
    page.get_by_label(f"latent {latent}, category {category}", exact=True).check(force=True)


def test_a_click_changes_the_picture(make: Callable, page: "Page", tmp_path: Path) -> None:
    model, data = make("images")
    explorer = precompute(model, data, seed=0)
    page.goto(written(explorer, tmp_path).as_uri())
    page.wait_for_selector(".explorer:not([hidden])")
    code = [*explorer.data["bases"][0]["code"]]
    before = canvas(page, ".now canvas")
    assert (before == expected(model, code)).all()
    for latent in (2, 0):  # one change upon the other
        code[latent] = (code[latent] + 1) % 4
        choose(page, latent, code[latent])
        assert (canvas(page, ".now canvas") == expected(model, code)).all()
    assert not (canvas(page, ".now canvas") == before).all()
    assert f"Code of {explorer.data['bases'][0]['name']}: {' '.join(map(str, code))}" in (
        page.inner_text(".explorer output")
    )
    page.get_by_role("button", name="Take changes back").click()
    assert (canvas(page, ".now canvas") == before).all()

    page.keyboard.press("Tab")  # by keys alone: to the next button, to the first latent
    page.get_by_role("button", name="Sample from the prior").click()
    sample = next(base for base in explorer.data["bases"] if base["input"] is None)
    assert (canvas(page, ".now canvas") == expected(model, sample["code"])).all()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    moved = [(sample["code"][0] + 1) % 4, *sample["code"][1:]]
    assert (canvas(page, ".now canvas") == expected(model, moved)).all()


def test_single_changes_take_the_place_of_each_other(
    make: Callable, page: "Page", tmp_path: Path
) -> None:
    model, data = make("images", num_latents=8, num_categories=5)
    explorer = precompute(model, data, seed=0)
    page.goto(written(explorer, tmp_path).as_uri())
    page.get_by_label(explorer.data["bases"][1]["name"], exact=True).check(force=True)
    code = explorer.data["bases"][1]["code"]
    for latent in (7, 0):
        category = (code[latent] + 2) % 5
        choose(page, latent, category)
        changed = [category if i == latent else k for i, k in enumerate(code)]
        assert (canvas(page, ".now canvas") == expected(model, changed)).all()


@pytest.mark.parametrize("kind", ["sentences", "rows"])
def test_a_click_changes_the_text(kind: str, make: Callable, page: "Page", tmp_path: Path) -> None:
    explorer = precompute(*make(kind), seed=0)
    page.goto(written(explorer, tmp_path).as_uri())
    code = [*explorer.data["bases"][0]["code"]]
    code[1] = (code[1] + 1) % 4
    choose(page, 1, code[1])
    now = page.locator(".stage .current td").all_inner_texts()
    cells = shown(explorer, code[0] * 16 + code[1] * 4 + code[2])
    assert [cell.split() for cell in now] == [cell.split() for cell in cells]
    assert page.locator(".board .current th").inner_text() == str(code[1])


def test_without_scripts_the_page_says_so(make: Callable, browser: Any, tmp_path: Path) -> None:
    path = written(precompute(*make("images"), seed=0), tmp_path)
    page = browser.new_page(java_script_enabled=False)
    page.goto(path.as_uri())
    assert "This part needs JavaScript" in page.inner_text("#explorer")
    assert "How to read this page" in page.inner_text("body")
    page.close()


def test_nothing_sticks_out_of_a_narrow_window(
    make: Callable, page: "Page", tmp_path: Path
) -> None:
    explorer = precompute(*make("images", num_latents=3, num_categories=40), seed=0)
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto(written(explorer, tmp_path).as_uri())
    page.wait_for_selector(".explorer:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
