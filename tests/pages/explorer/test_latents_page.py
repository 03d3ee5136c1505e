"""The page of latents: what it takes from a browser, and what a person sees of it in Chromium."""

import http.client
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from discretevae.pages.explorer.latents import LatentSubject
from discretevae.pages.explorer.latents_page import (
    Chosen,
    LatentsView,
    _number,
    _times,
    build_latents_page,
)
from discretevae.pages.explorer.serving import launch

if TYPE_CHECKING:
    from playwright.sync_api import Page

Look = Callable[..., LatentSubject]


def test_the_list_comes_in_parts(look: Look) -> None:
    view = LatentsView(look())
    assert view.pages() == [("1 to 200", 0), ("201 to 260", 200)]
    first, second = (view.html(Chosen(latent, "number")) for latent in (7, 207))
    assert 'data-latent="199"' in first
    assert 'data-latent="201" aria-pressed' not in first
    assert 'data-latent="207" aria-pressed="true"' in second
    assert second.count('aria-pressed="true"') == 1


@pytest.mark.parametrize(
    ("kind", "there"), [("tokens", "&lt;i&gt;"), ("images", "<figure>"), ("rows", "in row ")]
)
def test_examples_of_every_kind_and_no_markup_of_theirs(kind: str, there: str, look: Look) -> None:
    html = LatentsView(look(kind)).html(Chosen(9))
    assert there in html
    assert "<i></i>" in html or kind == "tokens"
    assert "<i>\n" not in html
    assert "&lt;b&gt;" in html  # a sign that the network foretells
    assert "Latent 9" in html


def test_a_latent_that_is_never_active_says_so(look: Look) -> None:
    html = LatentsView(look()).html(Chosen(2))
    assert "never active" in html
    assert "foretells" not in html
    assert "foretells" not in LatentsView(look("rows", network=False)).html(Chosen(9))


@pytest.mark.parametrize("text", ["", "260", "-1", "1e3", "9" * 5000, "x", None])
def test_a_number_that_is_none(text: str | None) -> None:
    with pytest.raises(ValueError, match="the latent must be from 0 to 259") as said:
        _number(text, 260)
    assert len(str(said.value)) < 1000


@pytest.mark.parametrize("value", [-0.5, 8.5, float("nan"), True, "2", None, [1]])
def test_times_that_are_none(value: object) -> None:
    with pytest.raises(ValueError, match="`times` must be from 0 to 8"):
        _times(value)


@pytest.fixture
def opened(look: Look, page: "Page") -> "Page":
    """The explorer of an autoencoder, served by this process and opened in Chromium."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    blocks = build_latents_page(look(), "A *run*", "What <it> is.")
    _, address, _ = launch(blocks, None, browser=False)
    page.goto(address)
    page.wait_for_selector("#explored .board h3")
    yield page
    blocks.close(verbose=False)


def shown(page: "Page", latent: str | None) -> None:
    """Waits until a latent is the one shown."""
    page.wait_for_selector(f"#explored h3:text-is('Latent {latent}')")


def test_latents_are_chosen_searched_sorted_and_changed(opened: "Page", look: Look) -> None:
    page, subject = opened, look()
    assert page.inner_text("h1") == "A *run*"
    order = subject.order("effect")
    shown(page, str(order[0]))
    rows = page.locator("#explored .list button")
    assert rows.count() == 200
    rows.nth(0).focus()
    page.keyboard.press("ArrowDown")
    shown(page, str(order[1]))
    page.wait_for_function(f"document.activeElement.dataset.latent === '{order[1]}'")
    page.keyboard.press("End")
    shown(page, str(order[199]))
    assert page.evaluate("document.querySelector('.list').scrollTop") > 0
    near = page.locator("#explored .nearest button").first
    number = near.get_attribute("data-latent")
    near.click()
    shown(page, number)
    page.get_by_label("Latent", exact=True).fill(str(order[210]))
    page.keyboard.press("Enter")
    shown(page, str(order[210]))  # which is in the second part of the list
    assert rows.count() == 60
    page.get_by_label("Latent", exact=True).fill("nonsense")
    page.keyboard.press("Enter")
    page.get_by_text("the latent must be from 0 to 259").wait_for()
    before = page.inner_text("#explored .says")
    page.get_by_label("number input for Times its amplitude (0 takes it out)").fill("4")
    page.keyboard.press("Enter")
    page.wait_for_selector("#explored h3:has-text('with 4 times')")
    assert page.inner_text("#explored .says") != before
    page.get_by_label("Sorted by").click()
    page.get_by_role("option", name="number").click()
    shown(page, "0")
    assert rows.nth(5).get_attribute("data-latent") == "5"
    assert page.locator("#explored .line i, #explored .line b b").count() == 0


def test_on_a_telephone_nothing_is_wider_than_the_screen(opened: "Page") -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    opened.wait_for_function("document.documentElement.scrollWidth <= 390")


def test_only_pages_of_this_machine_may_ask(opened: "Page") -> None:
    port = int(opened.url.rstrip("/").rsplit(":", 1)[1])
    for host, status in ((f"127.0.0.1:{port}", 200), (f"rebound.example:{port}", 403)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/config", headers={"Host": host})
        assert connection.getresponse().status == status
        connection.close()
