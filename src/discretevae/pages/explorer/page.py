"""A model's codes on a page in the browser, served from this machine to this machine."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from discretevae.data import Examples, generator
from discretevae.data.binarize import Binarizer
from discretevae.data.mixed_tables import read_rows
from discretevae.latents import codes_between
from discretevae.likelihoods import ColumnsLikelihood, TokenLikelihood
from discretevae.pages.explorer.display import Pictures, Texts, sheet
from discretevae.pages.explorer.serving import in_a_sentence, require_gradio, whole
from discretevae.pages.explorer.subject import Subject, changes
from discretevae.pages.html import render, script
from discretevae.pages.writing import MISSING
from discretevae.schema.columns import NumericColumn
from discretevae.texts import for_markdown

if TYPE_CHECKING:
    import gradio

__all__ = ["Step", "View", "build_page", "observation"]

CELLS = 1024
"""Categories, of all latents together, that are shown at once."""
CODES = 64
"""Codes of a large codebook that are shown to choose from at a place of a grid."""
WAY = 64
"""Latents, at most, that a way between two examples changes one after the other."""
GOLDEN = 137.508
"""Degrees between the colours of two codes that follow each other."""
FRAME = (255, 140, 0)
NEAR = 12
"""Training examples that are shown beside a code."""
PIXELS = 48
"""The size that a small picture is brought to, at most."""
STARTS = 24
"""Held-out examples to choose from."""
DIGITS = 9
"""Of a category, at most."""
NOWHERE = -1
"""What is chosen where there is no example to go to."""
IMAGE = 2**25
"""Pixels of an image that is taken."""


@dataclass(frozen=True)
class Step:
    """Where a person stands: a code, what it started from, and the latent changed last.

    Arguments:
        code: D class indices, as now.
        own: The code started from.
        name: What it is the code of.
        x: The observation started from, if there is one.
        condition: Which of the subject's conditions.
        touched: The latent changed last.
    """

    code: tuple[int, ...]
    own: tuple[int, ...]
    name: str
    x: Tensor | None = None
    condition: int = 0
    touched: int = 0

    def change(self, latent: int, category: int) -> "Step":
        """Sets one latent to a category.

        Example:
            >>> Step((1, 2), (1, 2), "a sample").change(1, 0).code
            (1, 0)
        """
        if not 0 <= latent < len(self.code):
            raise ValueError(f"`latent` must be from 0 to {len(self.code) - 1}, got {latent}.")
        code = [*self.code]
        code[latent] = category
        return replace(self, code=tuple(code), touched=latent)


@dataclass(frozen=True)
class View:
    """Writes the part of the page that changes with every step.

    Arguments:
        subject: What is explored.
    """

    subject: Subject

    def html(self, step: Step, first: int = 0, goal: Step | None = None) -> str:
        """Gives the markup of a step: the latents from `first` on; of grids the one touched.

        With a goal it has the way there, from the code that was started from.
        """
        pictures = isinstance(self.subject.display, Pictures)
        show = self._as_pictures if pictures else self._as_texts
        last = min(first + self.latents_at_once, self.subject.num_latents)
        on_grids = pictures and bool(self.subject.model.grids)
        latents = range(step.touched, step.touched + 1) if on_grids else range(first, last)
        code = torch.tensor(step.code)
        beside = self._occurrences(step) if on_grids else self._neighbours(code, step.condition)
        content = {
            "header": None,
            "grids": self._grids(step) if on_grids else [],
            "said": _said(step),
            "code": step.code,
            "touched": step.touched,
            "chosen": step.code[step.touched],
            **beside,
            **show(step, code, latents),
            "goal": None if goal is None else goal.name,
            "way": [] if goal is None else self._way(step, goal),
        }
        return render("explored.html.j2", **content)

    @property
    def latents_at_once(self) -> int:
        """How many latents are shown together."""
        return max(1, CELLS // self.subject.num_categories)

    def _way(self, step: Step, goal: Step) -> list[dict[str, Any]]:
        """What is decoded on the way from the start to the goal, and what each step changes."""
        display = self.subject.display
        codes = codes_between(torch.tensor(step.own), torch.tensor(goal.own))
        x = self.subject.decode(codes, step.condition)
        pictures = isinstance(display, Pictures)
        looks = [_link(p) for p in self._pictures(x)] if pictures else []
        texts = display.show(x) if isinstance(display, Texts) else []
        changed = ["start", *(_change(*pair) for pair in pairwise(codes))]
        return [
            {
                "caption": caption,
                "source": looks[i] if pictures else None,
                "cells": [] if pictures else texts[i],
                "current": tuple(codes[i].tolist()) == step.code,
            }
            for i, caption in enumerate(changed)
        ]

    def _choices(self, step: Step, latent: int) -> list[int]:
        """The categories that are shown of a latent: of many on a grid those used there."""
        subject = self.subject
        if not subject.model.grids or subject.num_categories <= CODES:
            return [*range(min(subject.num_categories, CELLS))]
        return sorted({*subject.most_used(latent, CODES), step.code[latent]})

    def _grids(self, step: Step) -> list[dict[str, Any]]:
        """The codes in their places, each with a colour of its own."""
        found, first = [], 0
        for rows, columns in self.subject.model.grids:
            cells = [
                {"latent": i, "code": step.code[i], "hue": round(step.code[i] * GOLDEN % 360)}
                for i in range(first, first + rows * columns)
            ]
            found.append({"columns": columns, "cells": cells})
            first += rows * columns
        return found

    def _occurrences(self, step: Step) -> dict[str, Any]:
        """Training examples that have the code touched, with a frame around its place."""
        subject, category = self.subject, step.code[step.touched]
        found = subject.occurrences(step.touched, category, NEAR)
        x = subject.training.values(found.example)
        pictures = [*self._pictures(x)] if found.found else []
        near = []
        for index, place, picture in zip(found.example, found.place, pictures, strict=True):
            first, rows, columns = subject.grid_of(int(place))
            cell = divmod(int(place) - first, columns)
            framed = _framed(picture, cell, (rows, columns))
            label = subject.label_of(subject.training, int(index))
            caption = f"row {cell[0]}, column {cell[1]}" + _of(label)
            near.append({"index": int(index), "source": _link(framed), "caption": caption})
        of = f"{found.found:,} of {len(subject.training):,} training examples"
        return {
            "near": near,
            "near_title": f"Where code {category} occurs",
            "near_said": f"{of} have it on this grid; the frame is at its first place.",
        }

    def _as_pictures(self, step: Step, code: Tensor, latents: range) -> dict[str, Any]:
        own = torch.tensor(step.own)
        now, before = self._pictures(self.subject.decode(torch.stack([code, own]), step.condition))
        beside = [("from its own code", _link(before))]
        if step.x is not None:
            beside.insert(0, (step.name, _link(self._pictures(step.x[None])[0])))
        choices = {latent: self._choices(step, latent) for latent in latents}
        changed = torch.cat([changes(code, latent, some) for latent, some in choices.items()])
        tiles = self._pictures(self.subject.decode(changed, step.condition))
        stride = -(-max(tiles.shape[1:3]) // PIXELS)
        together = sheet(tiles[:, ::stride, ::stride])
        places = _places(len(tiles), together["columns"])
        rows = [
            {
                "latent": latent,
                "category": step.code[latent],
                "choices": some,
                "tiles": [places.pop(0) for _ in some],
            }
            for latent, some in choices.items()
        ]
        sizes = {"width": together["width"], "height": together["height"]}
        return {"now": _link(now), "beside": beside, "latents": rows, "sheet": together, **sizes}

    def _as_texts(self, step: Step, code: Tensor, latents: range) -> dict[str, Any]:
        display = self.subject.display
        assert isinstance(display, Texts)
        own = torch.tensor(step.own)
        now, before = display.show(self.subject.decode(torch.stack([code, own]), step.condition))
        given = [] if step.x is None else [(step.name, display.show(step.x[None])[0])]
        choices = {latent: self._choices(step, latent) for latent in latents}
        changed = changes(code, step.touched, range(min(self.subject.num_categories, CELLS)))
        return {
            "header": display.header,
            "rows": [*given, ("from its own code", before), ("now", now)],
            "latents": [
                {"latent": i, "category": step.code[i], "choices": some}
                for i, some in choices.items()
            ],
            "listed": display.show(self.subject.decode(changed, step.condition)),
        }

    def _neighbours(self, code: Tensor, condition: int) -> dict[str, Any]:
        subject = self.subject
        found = subject.neighbours(code, NEAR, condition)
        x = subject.training.values(found.place)
        pictures = isinstance(subject.display, Pictures)
        looks = [_link(p) for p in self._pictures(x)] if pictures and len(x) else []
        texts = subject.display.show(x) if isinstance(subject.display, Texts) else []
        near = [
            {
                "index": int(index),
                "source": looks[i] if pictures else None,
                "text": "" if pictures else " · ".join(texts[i]),
                "caption": _distance(int(found.distance[i]))
                + _of(subject.label_of(subject.training, int(index))),
            }
            for i, index in enumerate(found.place)
        ]
        of = f"of {len(subject.training):,} training examples"
        have = f"{found.same:,}" if found.same else "None"
        said = (
            f"{have} {of} {'have' if found.same > 1 else 'has'} this very code; of the others it "
        )
        return {
            "near": near,
            "near_title": "Nearest training examples",
            "near_said": said + "is said how many latents are off.",
        }

    def _pictures(self, x: Tensor) -> np.ndarray:
        assert isinstance(self.subject.display, Pictures)
        return self.subject.display.show(x)


def _said(step: Step) -> str:
    changed = [
        f"latent {i} from {before} to {now}"
        for i, (before, now) in enumerate(zip(step.own, step.code, strict=True))
        if before != now
    ]
    return f"Code of {step.name}" + (f"; changed: {', '.join(changed)}." if changed else ".")


def _change(before: Tensor, after: Tensor) -> str:
    d = int((before != after).nonzero()[0])
    return f"latent {d}: {int(after[d])}"


def _distance(latents: int) -> str:
    return "same code" if latents == 0 else f"{latents} off"


def _of(label: str) -> str:
    return f" · {label}" if label else ""


def _framed(picture: np.ndarray, cell: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Draws a frame around a cell of a grid that lies over a picture, which becomes larger."""
    colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, -1)
    scale = -(-PIXELS // min(colour.shape[:2]))
    found = colour.repeat(scale, 0).repeat(scale, 1)
    top, left = (i * size // n for i, size, n in zip(cell, found.shape, grid, strict=False))
    bottom, right = (
        (i + 1) * size // n - 1 for i, size, n in zip(cell, found.shape, grid, strict=False)
    )
    found[[top, bottom], left : right + 1] = FRAME
    found[top : bottom + 1, [left, right]] = FRAME
    return found


def _link(picture: np.ndarray) -> str:
    return str(sheet(picture[None])["source"])


def _places(count: int, columns: int) -> list[str]:
    """Where each tile of a sheet is, as CSS wants it."""
    rows = -(-count // columns)
    across, down = max(columns - 1, 1), max(rows - 1, 1)
    return [
        f"{100 * (i % columns) / across:.4g}% {100 * (i // columns) / down:.4g}%"
        for i in range(count)
    ]


def observation(subject: Subject, given: Any, binarizer: Binarizer, invert: bool = False) -> Tensor:
    """Reads what a person gave as the model sees it: an image, a sentence, a row of a table.

    Arguments:
        subject: What is explored.
        given: A PIL image, brought to the size and the channels of the model; a text; or a pandas
            data frame of one row.
        binarizer: How images become binary.
        invert: Whether dark and bright change places.

    Raises:
        ValueError: If it cannot be read so.
    """
    likelihood = subject.model.likelihood
    if likelihood.name in READERS:
        return READERS[likelihood.name](given, likelihood)
    assert isinstance(subject.display, Pictures)
    x = _image(given, subject.display, subject.model.shape, invert)
    return binarizer.prepare_evaluation(x, generator("observed", 0)).values()[0]


def _sentence(text: str, likelihood: TokenLikelihood) -> Tensor:
    from discretevae.data.text import Sentences, text_examples

    if not (text or "").strip():
        raise ValueError("the sentence must not be empty.")
    sentences = Sentences("the sentence", (text.strip(),), (1,))
    return text_examples(sentences, likelihood.vocabulary, likelihood.length - 1, True)[0].values()[
        0
    ]


def _row(frame: Any, likelihood: ColumnsLikelihood) -> Tensor:
    import pandas

    frame = frame.astype(str).replace(MISSING, "")
    for column in likelihood.columns:
        if isinstance(column, NumericColumn):
            frame[column.name] = pandas.to_numeric(frame[column.name])
    return read_rows(frame, likelihood.columns).examples.values()[0]


READERS: dict[str, Callable[[Any, Any], Tensor]] = {"tokens": _sentence, "columns": _row}
"""Likelihood → how what a person wrote is read; all others see images."""


def _image(image: Any, display: Pictures, shape: tuple[int, ...], invert: bool) -> Examples:
    import PIL.ImageOps

    mode = {1: "L", 3: "RGB", 4: "RGBA"}[display.channels]
    height, width = shape[-2:]
    fitted = PIL.ImageOps.fit(image.convert(mode), (width, height))
    levels = np.array(fitted if not invert else PIL.ImageOps.invert(fitted))
    levels = levels.transpose(2, 0, 1) if levels.ndim == 3 else levels
    x = torch.from_numpy(np.array(levels.reshape(shape)))
    if (display.low, display.high) == (0, 1):
        return Examples(x[None])
    return Examples((display.low + x.float() / 255 * (display.high - display.low))[None])


def build_page(
    subject: Subject, title: str, description: str, binarizer: Binarizer
) -> "gradio.Blocks":
    """Makes the page; nothing is served yet.

    Arguments:
        subject: What is explored.
        title: Of the page.
        description: A sentence of what the model is.
        binarizer: How images that a person drops in become binary.

    Raises:
        ExplorerError: If gradio is not installed.
    """
    gr = require_gradio()
    view, model, on_grids = View(subject), subject.model, bool(subject.model.grids)
    begin = _start(subject, 0)
    pictures = isinstance(subject.display, Pictures)

    with gr.Blocks(title=f"{title} · discretevae", analytics_enabled=False) as page:
        step, draws = gr.State(begin), gr.State(0)
        gr.Markdown(f"# {for_markdown(title)}\n{for_markdown(description)}", sanitize_html=True)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                names = [subject.name_of_start(i) for i in range(min(STARTS, len(subject.starts)))]
                start = gr.Dropdown(
                    list(zip(names, range(len(names)), strict=True)), value=0, label="Start from"
                )
                sample = gr.Button("Sample from the prior", variant="primary")
                back = gr.Button("Take changes back")
            with gr.Column(scale=1, min_width=240):
                condition = gr.Dropdown(
                    list(zip(subject.names, range(len(subject.names)), strict=True)),
                    value=begin.condition,
                    label="Condition",
                    visible=len(subject.names) > 1,
                )
                typed = gr.Textbox(
                    _digits(begin),
                    label="Code",
                    info="all latents; Enter decodes it",
                    max_lines=2,
                )
                pages = _pages(view, subject.num_latents)
                many = len(pages) > 1 and not on_grids
                first = gr.Dropdown(pages, value=0, label="Latents", visible=many)
                goal = gr.Dropdown(
                    [("nowhere", NOWHERE), *zip(names, range(len(names)), strict=True)],
                    value=NOWHERE,
                    label="On the way to",
                    info="from the start, one latent after the other",
                    visible=not on_grids and subject.num_latents <= WAY,
                )
            with gr.Column(scale=1, min_width=240):
                given, go, invert = _input(gr, subject)
        looked = gr.HTML(
            view.html(begin),
            html_template='<div class="explorer">${value}</div>',
            js_on_load=script("explored.js").text,
            elem_id="explored",
        )

        def shown(new: Step, page_of: int, to: int) -> tuple[Step, str, str, int, int | None]:
            place = names.index(new.name) if new.name in names else None
            html = view.html(new, page_of, _goal(subject, to))
            return new, html, _digits(new), new.condition, place

        @in_a_sentence(gr)
        def on_select(now: Step, page_of: int, to: int, event: gr.EventData) -> Any:  # type: ignore[name-defined]
            category = whole("category", event.category, subject.num_categories)
            latent = whole("latent", event.latent, subject.num_latents)
            return shown(now.change(latent, category), page_of, to)

        @in_a_sentence(gr)
        def on_near(now: Step, page_of: int, to: int, event: gr.EventData) -> Any:  # type: ignore[name-defined]
            if (latent := getattr(event, "latent", None)) is not None:
                latent = whole("latent", latent, subject.num_latents)
                return shown(replace(now, touched=latent), page_of, to)
            if (place := getattr(event, "way", None)) is not None:
                return shown(_on_the_way(now, _goal(subject, to), place), page_of, to)
            if (index := getattr(event, "near", None)) is None:
                return shown(now, page_of, to)
            index = whole("near", index, len(subject.training))
            return shown(_near(subject, index), page_of, to)

        @in_a_sentence(gr)
        def on_start(i: int, page_of: int, to: int) -> Any:
            return shown(_start(subject, whole("start", i, len(names))), page_of, to)

        @in_a_sentence(gr)
        def on_back(now: Step, page_of: int, to: int) -> Any:
            return shown(replace(now, code=now.own), page_of, to)

        @in_a_sentence(gr)
        def on_sample(now: Step, count: int, page_of: int, to: int) -> Any:
            return (*shown(_sample(subject, now.condition, count), page_of, to), count + 1)

        @in_a_sentence(gr)
        def on_typed(text: str, now: Step, page_of: int, to: int) -> Any:
            return shown(replace(now, code=_read_code(subject, text)), page_of, to)

        @in_a_sentence(gr)
        def on_condition(chosen: int, now: Step, page_of: int, to: int) -> Any:
            chosen = whole("condition", chosen, len(subject.conditions))
            return shown(replace(now, condition=chosen, x=None), page_of, to)

        @in_a_sentence(gr)
        def on_given(what: Any, inverted: bool, now: Step, page_of: int, to: int) -> Any:
            if what is None:
                return shown(now, page_of, to)
            x = observation(subject, what, binarizer, inverted)
            return shown(_of_input(subject, x, now.condition), page_of, to)

        @in_a_sentence(gr)
        def on_page(now: Step, page_of: int, to: int) -> Any:
            return shown(now, page_of, to)

        out = [step, looked, typed, condition, start]
        usual: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        latest = usual | {"trigger_mode": "always_last"}
        looked.select(on_select, [step, first, goal], out, **latest)
        looked.click(on_near, [step, first, goal], out, **usual)
        start.input(on_start, [start, first, goal], out, **usual)
        back.click(on_back, [step, first, goal], out, **usual)
        sample.click(on_sample, [step, draws, first, goal], [*out, draws], **usual)
        typed.submit(on_typed, [typed, step, first, goal], out, **usual)
        condition.input(on_condition, [condition, step, first, goal], out, **usual)
        first.input(on_page, [step, first, goal], out, **usual)
        goal.input(on_page, [step, first, goal], out, **usual)
        if given is not None:
            inputs = [given, invert, step, first, goal]
            if pictures:
                given.input(on_given, inputs, out, **usual)
                invert.input(on_given, inputs, out, **usual)
            else:
                go.click(on_given, inputs, out, **usual)
                if model.likelihood.sequential:
                    given.submit(on_given, inputs, out, **usual)
    return page


def _input(gr: Any, subject: Subject) -> tuple[Any, Any, Any]:
    """What takes an input, the button that sends it, and whether dark and bright change places."""
    none = gr.Checkbox(visible=False)
    if subject.model.likelihood.sequential:
        text = gr.Textbox(label="Your sentence", max_lines=3, info="Enter encodes it")
        return text, gr.Button("Encode"), none
    if isinstance(subject.display, Texts):
        frame = gr.Dataframe(
            subject.display.show(subject.starts.values(slice(1))),
            headers=[*subject.display.header],
            label="Your row",
            interactive=True,
            row_count=1,
            column_count=len(subject.display.header),
        )
        return frame, gr.Button("Encode"), none
    if subject.display.channels not in (1, 3, 4):
        return None, None, none
    image = gr.Image(
        type="pil", sources=["upload", "clipboard"], label="Your image", height=180, buttons=[]
    )
    image.preprocess = _whole_images(gr, image.preprocess)
    return image, None, gr.Checkbox(label="Dark on bright: swap them", container=False)


def _whole_images(gr: Any, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads images as gradio does, and says in a sentence which are not taken."""

    def careful(payload: Any) -> Any:
        import PIL.Image

        try:
            with PIL.Image.open(payload.path) if payload else nullcontext() as image:
                if image is not None and math.prod(image.size) > IMAGE:
                    raise ValueError("too many pixels")
            return read(payload)
        except Exception:  # Pillow's decoders raise whatever they meet
            said = f"the image must be whole, and have at most {IMAGE:,} pixels."
            raise gr.Error(said, print_exception=False) from None

    return careful


def _start(subject: Subject, i: int) -> Step:
    x = subject.starts.values(slice(i, i + 1))[0]
    condition = subject.condition_of(subject.starts, i)
    code = tuple(subject.encode(x, condition).tolist())
    return Step(code, code, subject.name_of_start(i), x, condition)


def _goal(subject: Subject, i: int) -> Step | None:
    """The example to go to, if there is one."""
    if isinstance(i, int) and i == NOWHERE:
        return None
    return _start(subject, whole("goal", i, min(STARTS, len(subject.starts))))


def _on_the_way(step: Step, goal: Step | None, place: Any) -> Step:
    """The step taken to a place on the way to the goal."""
    codes = codes_between(torch.tensor(step.own), torch.tensor((goal or step).own))
    place = whole("way", place, len(codes))
    before, code = codes[max(place - 1, 0)], codes[place]
    touched = (before != code).nonzero()[:, 0].tolist()
    return replace(step, code=tuple(code.tolist()), touched=touched[0] if touched else 0)


def _near(subject: Subject, i: int) -> Step:
    x = subject.training.values(slice(i, i + 1))[0]
    code = tuple(subject.codes[i].tolist())
    name = f"training example {i + 1}"
    return Step(code, code, name, x, subject.condition_of(subject.training, i))


def _sample(subject: Subject, condition: int, count: int) -> Step:
    draws = torch.Generator().manual_seed(count)
    code = tuple(subject.sample(draws, condition).tolist())
    return Step(code, code, f"sample {count + 1} from the prior", None, condition)


def _of_input(subject: Subject, x: Tensor, condition: int) -> Step:
    code = tuple(subject.encode(x, condition).tolist())
    return Step(code, code, "your input", x, condition)


def _digits(step: Step) -> str:
    return " ".join(map(str, step.code))


def _read_code(subject: Subject, text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    fits = len(words) == subject.num_latents and all(
        word.isdecimal() and len(word) <= DIGITS and int(word) < subject.num_categories
        for word in words
    )
    if not fits:
        raise ValueError(
            f"the code must be {subject.num_latents} numbers from 0 to "
            f"{subject.num_categories - 1}."
        )
    return tuple(map(int, words))


def _pages(view: View, latents: int) -> list[tuple[str, int]]:
    size = view.latents_at_once
    starts: Sequence[int] = range(0, latents, size)
    return [(f"{i} to {min(i + size, latents) - 1}", i) for i in starts]
