"""One self-contained HTML page about one run."""

import base64
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discretevae.evaluation.code_health import ACTIVE
from discretevae.evaluation.figure import format_value
from discretevae.files import write_text
from discretevae.pages.html import render, script

__all__ = [
    "ReportExplorer",
    "ReportFigure",
    "ReportTable",
    "format_value",
    "picture",
    "write_report",
]

Metrics = Mapping[str, Mapping[str, Mapping[str, Any]]]

_NONE = "–"
_PNG = b"\x89PNG\r\n\x1a\n"
_EFFECTS = ("mutual_information_per_latent", "kl_per_latent")
_WORDS = {"elbo": "ELBO", "kl": "KL", "iwae": "IWAE"}
_HEADLINE = {
    "elbo": "a true lower bound on the log-likelihood; higher is better",
    "log_likelihood": "how well the model predicts unseen examples; higher is better",
    "exact_log_likelihood": "how well the model predicts unseen examples, summed over all codes",
    "kl": "what it costs to say the code of an example",
    "reconstruction": "log-probability of an example given its code",
}


@dataclass(frozen=True)
class ReportFigure:
    """A PNG file at `path`, with the title and the sentence or two that go with it.

    One that is `drawn`, lines and bars without pictures of data, turns dark with the page.

    Example:
        >>> ReportFigure("Samples", "What the model makes up.", "figures/samples.png").title
        'Samples'
    """

    title: str
    caption: str
    path: str | os.PathLike[str]
    drawn: bool = False


@dataclass(frozen=True)
class ReportTable:
    """Rows of text, with the title and the sentence or two that go with them.

    Example:
        >>> ReportTable("Samples", "What the model writes.", ("sentence",), [("to be",)]).header
        ('sentence',)
    """

    title: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class ReportExplorer:
    """Decoded codes that a reader of the page can choose among, with a title and a caption.

    Arguments:
        data: What `templates/explorer.js` reads: `every` says whether all codes are decoded, or
            single changes of the `bases`; `latents` and `categories` may be changed; `bases` are
            codes to start from; `decoded` and `inputs` are rows of cells under a `header`, or
            pictures on one sheet.

    Example:
        >>> ReportExplorer("Explore", "All codes.", {"every": True}).title
        'Explore'
    """

    title: str
    caption: str
    data: Mapping[str, Any]


def _texts(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    words = name.replace("log_likelihood", "log-likelihood").split("_")
    label = " ".join(_WORDS.get(word, word) for word in words)
    return {"label": label, "unit": entry.get("unit") or "", "remark": entry.get("note") or ""}


def _splits(metrics: Metrics) -> list[str]:
    """The splits present, those that matter most to a reader first."""
    order = ["test", "validation", "train"]
    return sorted(metrics, key=lambda split: order.index(split) if split in order else len(order))


def _entries(metrics: Metrics, *, lists: bool) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """All (split, name, entry) that hold one value, or those that hold one for each latent."""
    for split in _splits(metrics):
        for name, entry in metrics[split].items():
            if not isinstance(entry, Mapping) or "value" not in entry:
                where = f"`metrics[{split!r}][{name!r}]`"
                raise ValueError(f"{where} must be a mapping with a 'value', got {entry!r}.")
            if isinstance(entry["value"], list | tuple) == lists:
                yield split, name, entry


def _shown(entry: Mapping[str, Any]) -> str:
    text = isinstance(entry["value"], str)
    return entry["value"] if text else format_value(entry["value"], entry.get("se"))


def _headline(metrics: Metrics) -> dict[str, Any]:
    """The figures on top, of the first split that has any; an exact one replaces its estimate."""
    split = next((split for split in _splits(metrics) if metrics[split]), "")
    here = {name: entry for s, name, entry in _entries(metrics, lists=False) if s == split}
    if _shown(here.get("exact_log_likelihood", {"value": None})) != _NONE:
        here.pop("log_likelihood", None)
    kept = [(name, here[name]) for name in _HEADLINE if name in here]
    cards = [_texts(*k) | {"value": _shown(k[1]), "note": _HEADLINE[k[0]]} for k in kept]
    return {"split": split, "cards": cards}


def _table(metrics: Metrics) -> list[dict[str, Any]]:
    """One row a figure: label, unit, and its value in every split."""
    rows: dict[str, dict[str, Any]] = {}
    for split, name, entry in _entries(metrics, lists=False):
        row = rows.setdefault(name, _texts(name, entry) | {"values": {}})
        row["values"][split] = _shown(entry)
    return list(rows.values())


def _column(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    values, se = entry["value"], entry.get("se")
    errors = se if isinstance(se, list | tuple) else [se] * len(values)
    cells = [format_value(value, se) for value, se in zip(values, errors, strict=True)]
    return _texts(name, entry) | {"cells": cells}


def _per_latent(metrics: Metrics) -> dict[str, dict[str, Any]]:
    """One table a split: one row a latent, one column a figure."""
    tables: dict[str, dict[str, Any]] = {}
    for split, name, entry in _entries(metrics, lists=True):
        if not any(isinstance(value, list | tuple) for value in entry["value"]):  # no D × K usage
            tables.setdefault(split, {"columns": []})["columns"].append(_column(name, entry))
    for split, table in tables.items():
        table["rows"] = max(len(column["cells"]) for column in table["columns"])
        table["strong"], table["weak"] = _by_effect(metrics[split], table["rows"])
    return tables


def _by_effect(figures: Mapping[str, Mapping[str, Any]], latents: int) -> tuple[list[int], ...]:
    """The latents that tell most first, and apart those that tell next to nothing."""
    told = next((figures[name]["value"] for name in _EFFECTS if name in figures), None)
    if told is None or len(told) != latents:
        return list(range(latents)), []
    order = sorted(range(latents), key=lambda d: -told[d] if math.isfinite(told[d]) else 0.0)
    weak = [d for d in order if not told[d] >= ACTIVE]
    return [d for d in order if d not in weak], weak


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested options as (dotted name, text)."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _option(value)


def _option(value: Any) -> str:
    """Writes the value of an option in words, not as Python has it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_option, value)) or _NONE
    words = {None: _NONE, True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def picture(figure: ReportFigure) -> dict[str, Any]:
    """Gives what a template needs to show a figure: its texts, its size and its bytes as a link.

    Raises:
        ValueError: If the file is missing or no PNG.
    """
    path = Path(figure.path)
    data = path.read_bytes() if path.is_file() else b""
    if not data.startswith(_PNG) or len(data) < 24:
        problem = "is no PNG" if path.is_file() else "does not exist"
        raise ValueError(f"`figures` must be PNG files that exist; {str(path)!r} {problem}.")
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    size = dict(zip(("width", "height"), struct.unpack(">II", data[16:24]), strict=True))
    size["source"] = "data:image/png;base64," + base64.b64encode(data).decode()
    texts = {"id": f"figure-{name}", "title": figure.title, "caption": figure.caption}
    return texts | size | {"drawn": figure.drawn}


def _pictures(figures: Sequence[ReportFigure]) -> list[dict[str, Any]]:
    pictures: dict[str, dict[str, Any]] = {}
    for i, shown in enumerate(map(picture, figures)):
        shown["id"] += f"-{i}" if shown["id"] in pictures else ""
        pictures[shown["id"]] = shown
    return list(pictures.values())


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    summary: Sequence[str],
    metrics: Metrics,
    config: Mapping[str, Any],
    figures: Sequence[ReportFigure],
    tables: Sequence[ReportTable] = (),
    explorer: ReportExplorer | None = None,
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Writes the page of a run to `path`: one HTML file that needs no other file and no network.

    An older page at `path` stays whole if anything fails. All texts are escaped.

    Arguments:
        summary: Sentences for the top of the page: what was trained, on which data.
        metrics: split → name → {"value": number or list of one per latent, "se": the same or None,
            "unit": text}, as in metrics.json; a "note" is shown beside the name.
        config: The resolved options, nested; "command" and "versions" get places of their own.
        figures: PNG files in the order of the page.
        tables: Rows of text, below the figures.
        explorer: Codes to change by hand, above the figures; the one part that needs JavaScript.
        warnings: Shown above the numbers, in plain words.

    Raises:
        ValueError: If a figure is missing or no PNG, or an entry of `metrics` has no value.

    Example:
        >>> import tempfile
        >>> elbo = {"test": {"elbo": {"value": -98.2, "se": 0.4, "unit": "nats per example"}}}
        >>> page = write_report(
        ...     Path(tempfile.mkdtemp()) / "report.html", title="A run", summary=["Made up."],
        ...     metrics=elbo, config={"seed": 0}, figures=[],
        ... )
        >>> "−98.2 ± 0.4" in page.read_text("utf-8")
        True
    """
    path = Path(path)
    rest = {key: value for key, value in config.items() if key not in ("command", "versions")}
    texts = {"title": title, "summary": summary, "warnings": warnings, "notes": notes}
    page = render(
        "report.html.j2",
        **texts,
        headline=_headline(metrics),
        figures=_pictures(figures),
        texts=tables,
        explorer=explorer,
        script=script("explorer.js"),
        splits=_splits(metrics),
        table=_table(metrics),
        per_latent=_per_latent(metrics),
        config=list(_flat(rest)),
        command=config.get("command"),
        versions=list(_flat(config.get("versions") or {})),
    )
    write_text(path, page)
    return path
