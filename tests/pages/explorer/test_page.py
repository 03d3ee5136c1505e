"""The explorer: what it reads from a person, and what a person sees of it in Chromium."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from discretevae.data import BINARIZERS
from discretevae.pages.explorer.page import (
    Step,
    View,
    build_page,
    observation,
)
from discretevae.pages.explorer.serving import launch, require_gradio
from discretevae.pages.explorer.subject import ExplorerError, Subject

if TYPE_CHECKING:
    from playwright.sync_api import Page

NONE, THRESHOLD = BINARIZERS["none"], BINARIZERS["threshold"]


def digit(folder: Path) -> Path:
    pixels = np.zeros((40, 60), np.uint8)
    pixels[5:35, 28:34] = 255
    Image.fromarray(pixels).save(folder / "one.png")
    return folder / "one.png"


def test_an_image_is_brought_to_the_size_of_the_model(make: Callable, tmp_path: Path) -> None:
    subject = Subject.of(*make("images"))
    image = Image.open(digit(tmp_path)).convert("RGBA")
    x = observation(subject, image, THRESHOLD)
    assert x.shape == (1, 8, 8)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert x[0, 4].tolist() == [0, 0, 0, 1, 1, 0, 0, 0] or x[0, 4, 3:5].sum() >= 1
    assert torch.equal(observation(subject, image, THRESHOLD, invert=True), 1 - x)


def test_a_sentence_is_read_by_the_vocabulary(make: Callable) -> None:
    subject = Subject.of(*make("sentences"))
    vocabulary = subject.model.likelihood.vocabulary
    x = observation(subject, " not to be ", NONE)
    assert vocabulary.to_sentences(x[None]) == ["not to be"]
    long = observation(subject, "to be " * 100, NONE)
    subject.model.likelihood.check(long[None])
    with pytest.raises(ValueError, match="must not be empty"):
        observation(subject, "  ", NONE)


def test_a_row_is_read_by_the_columns(make: Callable) -> None:
    subject = Subject.of(*make("rows"))
    frame = pandas.DataFrame({"age": ["12.5"], "job": ["–"]})
    x = observation(subject, frame, NONE)
    assert x[0] == 12.5
    assert x[1].isnan()
    with pytest.raises(ValueError, match="job"):
        observation(subject, pandas.DataFrame({"age": ["1"], "job": ["king"]}), NONE)


@pytest.mark.parametrize("kind", ["images", "sentences", "rows", "conditional"])
def test_every_latent_can_be_changed(kind: str, make: Callable) -> None:
    subject = Subject.of(*make(kind))
    html = View(subject).html(Step((0, 1, 2), (0, 1, 3), "a <sample>", touched=2))
    assert html.count('type="radio"') == 12
    assert html.count(" checked") == 3
    assert "Code of a &lt;sample&gt;; changed: latent 2 from 3 to 2." in html
    assert html.count("data-near") > 0


def test_the_way_to_an_example_changes_one_latent_after_the_other(make: Callable) -> None:
    """The ends are what both codes give; each step between is decoded from its own code."""
    for kind in ("images", "rows"):
        subject = Subject.of(*make(kind))
        step, goal = Step((0, 1, 2), (0, 1, 2), "a"), Step((3, 1, 0), (3, 1, 0), "<b>")
        view = View(subject)
        assert "The way to" not in view.html(step)
        html = view.html(step, 0, goal)
        assert "The way to &lt;b&gt;" in html
        assert html.count("data-way") == 3
        assert [word in html for word in ("latent 0: 3", "latent 2: 0", "latent 1: 1")] == [
            *(True, True, False)
        ]
        first, second = view._way(step, goal)[1:]
        x = subject.decode(torch.tensor([[3, 1, 2], [3, 1, 0]]))
        if kind == "rows":
            assert [first["cells"], second["cells"]] == subject.display.show(x)
        assert [place["current"] for place in view._way(step, goal)] == [True, False, False]


def test_many_latents_come_in_pages(make: Callable) -> None:
    subject = Subject.of(*make("images", num_latents=300, num_categories=4))
    view, step = View(subject), Step((0,) * 300, (0,) * 300, "a sample")
    assert view.latents_at_once == 256
    assert "latent-255" in view.html(step)
    assert "latent-256" not in view.html(step)
    assert view.html(step, first=256).count("<fieldset>") == 44


def test_without_gradio_it_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ExplorerError, match=r'pip install "discretevae\[explore\]"'):
        require_gradio()


@pytest.fixture
def opened(make: Callable, page: "Page", request: pytest.FixtureRequest) -> "Page":
    """The explorer of a model, served by this process and opened in Chromium."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    model, data = make(request.param)
    blocks = build_page(Subject.of(model, data), "A *run*", "What <it> is.", data.binarizer)
    _, address, _ = launch(blocks, None, browser=False)
    assert address.startswith("http://127.0.0.1:")
    page.goto(address)
    page.wait_for_selector("#explored .stage")
    yield page
    blocks.close(verbose=False)


def changed(page: "Page", action: Callable[[], object], what: str) -> str:
    """Does something, and waits until it is said of the code."""
    action()
    page.wait_for_selector(f"#explored output:has-text('{what}')")
    return page.inner_html("#explored .stage")


def choose(page: "Page", latent: int) -> None:
    row = page.locator(f"#explored input[name=latent-{latent}]:not(:checked)")
    row.first.check(force=True)


@pytest.mark.parametrize("opened", ["conditional"], indirect=True)
def test_a_click_changes_the_picture(opened: "Page", tmp_path: Path) -> None:
    page = opened
    assert page.inner_text("h1") == "A *run*"
    assert page.locator("#explored input[type=radio]").count() == 12
    before = page.get_attribute("#explored .now img", "src")
    changed(page, lambda: choose(page, 1), "changed: latent 1")
    assert page.get_attribute("#explored .now img", "src") != before
    page.wait_for_function("document.activeElement.name === 'latent-1'")  # the keys go on
    said = page.inner_text("#explored output")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "said => document.querySelector('#explored output').innerText !== said", arg=said
    )
    page.get_by_label("Code").fill("3 2 1")
    page.keyboard.press("Enter")
    page.wait_for_function(
        """() => [...document.querySelectorAll("#explored input:checked")]
            .map((input) => input.value).join(" ") === "3 2 1" """
    )

    file = page.locator("input[type=file]")
    changed(page, lambda: file.set_input_files(digit(tmp_path)), "Code of your input")
    assert page.locator("#explored .beside img").count() == 2
    sample = page.get_by_role("button", name="Sample from the prior")
    changed(page, sample.click, "sample 1 from the prior")
    changed(page, sample.click, "sample 2 from the prior")
    given = page.get_attribute("#explored .now img", "src")
    page.get_by_label("Condition").click()
    page.get_by_role("option").nth(7).click()
    page.wait_for_function(
        "given => document.querySelector('#explored .now img').src !== given", arg=given
    )
    near = page.locator("[data-near]").first
    changed(page, near.click, "Code of training example")

    page.get_by_label("On the way to").click()
    page.get_by_role("option", name="example 3", exact=False).first.click()
    page.wait_for_selector("#explored .way h2:has-text('The way to example 3')")
    last = page.locator("[data-way]").last
    place = last.get_attribute("data-way")
    if place != "0":  # the codes differ
        changed(page, last.click, "changed: latent")
        assert last.get_attribute("aria-current") == "step"
        assert page.get_attribute("#explored .now img", "src") == (
            last.locator("img").get_attribute("src")
        )


@pytest.mark.parametrize("stack", ["num_quantisers", "groups"])
def test_of_a_grid_the_place_touched_is_shown(make: Callable, stack: str) -> None:
    subject = Subject.of(*make("grids", **{stack: 2}))
    code = tuple(subject.codes[0].tolist())
    html = View(subject).html(Step(code, code, "an example", touched=5))
    assert html.count("data-latent") == 8
    assert html.count('aria-pressed="true"') == 1
    assert html.count('name="latent-5"') == html.count('type="radio"') == 5
    have = int((subject.codes[:, 4:] == code[5]).any(1).sum())
    assert f"Where code {code[5]} occurs" in html
    assert f"{have} of 60 training examples have it on this grid" in html
    assert html.count("data-near") == min(have, 12)


@pytest.mark.parametrize("opened", ["grids"], indirect=True)
def test_a_cell_of_a_grid_is_chosen_and_changed(opened: "Page") -> None:
    page = opened
    cells = page.locator("#explored [data-latent]")
    assert cells.count() == 8
    before = page.get_attribute("#explored .now img", "src")
    page.locator("#explored [data-latent='2']").click()
    page.wait_for_selector("#explored [data-latent='2'][aria-pressed='true']")
    page.wait_for_function("document.activeElement.dataset.latent === '2'")
    assert page.get_attribute("#explored .now img", "src") == before
    changed(page, lambda: choose(page, 2), "changed: latent 2")
    assert page.get_attribute("#explored .now img", "src") != before
    page.locator("#explored [data-latent='0']").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.activeElement.dataset.latent === '2'")
    near = page.locator("[data-near]").first
    changed(page, near.click, "Code of training example")


@pytest.mark.parametrize("opened", ["sentences"], indirect=True)
def test_a_sentence_is_taken_and_text_is_no_markup(opened: "Page") -> None:
    page = opened
    page.get_by_label("Your sentence").fill("not to be")
    changed(page, lambda: page.keyboard.press("Enter"), "Code of your input")
    assert page.locator("#explored .stage tr:has-text('your input') td").inner_text() == "not to be"
    listed = page.locator("#explored .board.plain tbody tr").count()
    assert listed == 4
    before = changed(page, lambda: choose(page, 0), "changed: latent 0")
    assert "current" in before
    page.get_by_label("Your sentence").fill("${1 + 1} or")
    page.keyboard.press("Enter")
    page.wait_for_selector("#explored .stage td:text-is('${1 + 1} or')")
    assert page.locator("#explored b").count() == 0


def test_a_page_of_rows_can_be_built(make: Callable) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    model, data = make("rows")
    blocks = build_page(Subject.of(model, data), "Rows", "Of a table.", data.binarizer)
    (frame,) = [block for block in blocks.blocks.values() if type(block).__name__ == "Dataframe"]
    assert [*frame.headers] == ["age", "job"]
