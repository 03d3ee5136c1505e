"""A sparse autoencoder's latents on a page in the browser: chosen by hand, and changed."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from discretevae.names import shorten
from discretevae.pages.explorer.latents import ORDERS, LatentSubject, as_row
from discretevae.pages.explorer.serving import in_a_sentence, require_gradio, whole
from discretevae.pages.html import render, script
from discretevae.pages.report import format_value
from discretevae.texts import for_markdown

if TYPE_CHECKING:
    import gradio

__all__ = ["Chosen", "LatentsView", "build_latents_page"]

AT_ONCE = 200
"""Latents that are listed together."""
MOST_TIMES = 8.0
"""Of its amplitude, that a latent is given at most."""
DIGITS = 9
"""Of a latent's number, at most."""


@dataclass(frozen=True)
class Chosen:
    """What a person looks at.

    Arguments:
        latent: Its number.
        by: The order of the list.
        times: How many times its amplitude the latent is given.
    """

    latent: int
    by: str = "effect"
    times: float = 0.0


@dataclass(frozen=True)
class LatentsView:
    """Writes the part of the page that changes with every choice.

    Arguments:
        subject: What is explored.
    """

    subject: LatentSubject

    def html(self, chosen: Chosen) -> str:
        """Gives the markup: the part of the list with the latent chosen, and what it is of."""
        subject, number = self.subject, chosen.latent
        order = subject.order(chosen.by)
        first = order.index(number) // AT_ONCE * AT_ONCE
        found = subject.moved(number, chosen.times)
        moved = {
            name: format_value(figure.value, figure.se)  # type: ignore[arg-type]
            for name, figure in found.items()
        }
        return render(
            "latents.html.j2",
            listed=[as_row(subject, i) for i in order[first : first + AT_ONCE]],
            latent=subject.latent(number),
            never=not bool(subject.of.density[number]),
            effect=format_value(float(subject.of.effect[number])),
            times=f"{chosen.times:g}",
            foretold=subject.foretold(number, chosen.times),
            moved=moved,
        )

    def pages(self) -> list[tuple[str, int]]:
        """The parts of the list, by their first places."""
        width = self.subject.model.width
        return [(f"{i + 1} to {min(i + AT_ONCE, width)}", i) for i in range(0, width, AT_ONCE)]


def build_latents_page(subject: LatentSubject, title: str, description: str) -> "gradio.Blocks":
    """Makes the page; nothing is served yet.

    Arguments:
        subject: What is explored.
        title: Of the page.
        description: A sentence of what the model is.

    Raises:
        ExplorerError: If gradio is not installed.
    """
    gr = require_gradio()
    view = LatentsView(subject)
    begin = Chosen(subject.order("effect")[0])
    pages = view.pages()

    with gr.Blocks(title=f"{title} · discretevae", analytics_enabled=False) as page:
        state = gr.State(begin)
        gr.Markdown(f"# {for_markdown(title)}\n{for_markdown(description)}", sanitize_html=True)
        with gr.Row():
            by = gr.Dropdown([*ORDERS], value=begin.by, label="Sorted by", min_width=140)
            typed = gr.Textbox(
                str(begin.latent),
                label="Latent",
                placeholder="a number; Enter goes there",
                max_lines=1,
                min_width=140,
            )
            part = gr.Dropdown(
                pages, value=0, label="Places", visible=len(pages) > 1, min_width=140
            )
            times = gr.Slider(
                0,
                MOST_TIMES,
                value=begin.times,
                step=0.5,
                label="Times its amplitude (0 takes it out)",
                visible=subject.reader is not None,
                min_width=200,
            )
        looked = gr.HTML(
            view.html(begin),
            html_template='<div class="explorer latents">${value}</div>',
            js_on_load=script("latents.js").text,
            elem_id="explored",
        )

        def shown(new: Chosen) -> tuple[Chosen, str, str, int]:
            place = subject.order(new.by).index(new.latent) // AT_ONCE * AT_ONCE
            return new, view.html(new), str(new.latent), place

        @in_a_sentence(gr)
        def on_select(now: Chosen, event: gr.EventData) -> Any:  # type: ignore[name-defined]
            latent = whole("latent", event.latent, subject.model.width)
            return shown(replace(now, latent=latent))

        @in_a_sentence(gr)
        def on_typed(text: str, now: Chosen) -> Any:
            return shown(replace(now, latent=_number(text, subject.model.width)))

        @in_a_sentence(gr)
        def on_order(chosen: str, now: Chosen) -> Any:
            if chosen not in ORDERS:
                raise ValueError(f"`by` must be one of {', '.join(ORDERS)}.")
            return shown(replace(now, by=chosen, latent=subject.order(chosen)[0]))

        @in_a_sentence(gr)
        def on_part(first: int, now: Chosen) -> Any:
            place = whole("place", first, subject.model.width)
            return shown(replace(now, latent=subject.order(now.by)[place]))

        @in_a_sentence(gr)
        def on_times(value: Any, now: Chosen) -> Any:
            return shown(replace(now, times=_times(value)))

        out = [state, looked, typed, part]
        usual: dict[str, Any] = {
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "always_last",
        }
        looked.select(on_select, [state], out, **usual)
        typed.submit(on_typed, [typed, state], out, **usual)
        by.input(on_order, [by, state], out, **usual)
        part.input(on_part, [part, state], out, **usual)
        times.input(on_times, [times, state], out, **usual)
    return page


def _number(text: str | None, width: int) -> int:
    word = (text or "").strip()
    if not (word.isdecimal() and len(word) <= DIGITS and int(word) < width):
        raise ValueError(f"the latent must be from 0 to {width - 1}, got {shorten(repr(word))}.")
    return int(word)


def _times(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= MOST_TIMES:
        raise ValueError(f"`times` must be from 0 to {MOST_TIMES:g}, got {shorten(repr(value))}.")
    return float(value)
