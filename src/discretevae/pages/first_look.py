"""A first look at data: what they mean in words, and a few rows or pictures of them."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from torch import Tensor

from discretevae.data import Splits
from discretevae.data.streams import in_memory
from discretevae.experiments.defaults import defaults_of

__all__ = ["as_page", "as_terminal"]

ROWS = 3
IMAGES = 8
WIDTH = 78
CELL = 16
SHADES = " .:-=+*#%@"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .6rem;border-bottom:1px solid #ccc;"
    "text-align:left}img{image-rendering:pixelated;height:8rem;margin:.2rem}"
)


def as_terminal(data: Splits, likelihood: str | None = None) -> str:
    """Says what data mean, and shows the first rows or images in characters.

    Arguments:
        data: All in one part.
        likelihood: That is asked for; by default what suits the data.
    """
    lines = _lines(data, likelihood)
    if len(data.shape) == 3:
        return "\n".join([*lines, "", *_drawn(data)])
    header, rows = _rows(data)
    most = WIDTH if len(header) == 1 else CELL
    widths = [min(most, max(map(len, column))) for column in zip(header, *rows, strict=True)]
    table = [
        "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return "\n".join([*lines, "", *(line[:WIDTH].rstrip() for line in table)])


def as_page(data: Splits, likelihood: str | None = None) -> str:
    """Gives a page of the same, which needs no other file."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in _lines(data, likelihood))
    shown = _pictures(data) if len(data.shape) == 3 else _html_table(*_rows(data))
    title = escape(data.name)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
        f"<style>{STYLE}</style><h1>{title}</h1>{lines}{shown}</html>\n"
    )


def _lines(data: Splits, likelihood: str | None) -> list[str]:
    """What is said of the data, and last of the model that they get."""
    return [*_said(data), str(defaults_of(data, likelihood))]


def _said(data: Splits) -> list[str]:
    if data.schema is not None:
        return data.schema.lines()
    shape = "×".join(map(str, data.shape))
    count = len(data.train) + len(data.validation) + len(data.test)
    return [f"{data.name}: the named data set, {count:,} examples of {shape}"]


def _first(data: Splits, count: int) -> Tensor:
    """The first examples, in the order of the source."""
    examples = in_memory(data.train)
    if examples.rows is None:
        return examples.values(slice(count))
    return examples.take(examples.rows.argsort()[:count]).values()


def _rows(data: Splits) -> tuple[list[str], list[list[str]]]:
    x = _first(data, ROWS)
    header, rows = (
        (list(map(str, range(x.shape[1]))), x.tolist())
        if data.schema is None
        else data.schema.written(x)
    )
    return header, [[_readable(cell) for cell in row] for row in rows]


def _readable(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else _cut(str(cell), WIDTH)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _grey(x: Tensor) -> np.ndarray:
    """Images in [0, 1], a mean over their channels; from the least to the greatest value."""
    grey = x.mean(1).numpy()
    low, high = grey.min(), grey.max()
    return (grey - low) / (high - low if high > low else 1.0)


def _drawn(data: Splits) -> list[str]:
    images = _grey(_first(data, 4))
    wide = max(1, min(images.shape[2], WIDTH // 2 // len(images)))
    step = images.shape[2] / wide
    across = (np.arange(wide) * step).astype(int)
    down = (np.arange(max(1, round(images.shape[1] / step))) * step).astype(int)
    small = images[:, down.clip(max=images.shape[1] - 1)][:, :, across]
    signs = (small * (len(SHADES) - 1)).round().astype(int)
    return [
        "  ".join("".join(SHADES[v] * 2 for v in image[row]) for image in signs)
        for row in range(signs.shape[1])
    ]


def _pictures(data: Splits) -> str:
    from PIL import Image

    x = _first(data, IMAGES)
    found = x.movedim(1, -1).numpy() if x.shape[1] == 3 else _grey(x)
    low, high = found.min(), found.max()
    if low < 0 or high > 1:
        found = (found - low) / (high - low)
    return "".join(f"<img alt='' src='{_png(Image.fromarray(p))}'>" for p in _levels(found))


def _levels(x: np.ndarray) -> Sequence[np.ndarray]:
    return list((x * 255).round().astype(np.uint8))


def _png(image: "object") -> str:
    file = io.BytesIO()
    image.save(file, "PNG")  # type: ignore[attr-defined]
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
