"""What the pages claim, and the JSON that holds it: `python docs/extensions/claims.py`.

Writes `results/README.md`, a line for each page of `results/`, from `docs/results.toml`, the pages
and the JSON behind them. A figure that README or a page of the site quotes beside a page of results
must be a number of that page's JSON, or the mean or median of one of its lists, rounded as it
stands. Figures are numbers with a decimal point.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from result_pages import RESULTS, ROOT, Row, known, rows

INTRODUCTION = """\
# All results

What is claimed, the figure, and where it comes from; written by `python docs/extensions/claims.py`
from `docs/results.toml` and the JSON of each page. Figures are true bounds in nats per example with
standard errors unless a line says otherwise. Seeds, machine, threads and commit are those that the
JSON names: – where it names none. The date, and the commit in brackets, are those with which the
JSON was put in.

| claimed or asked | figure | quoted in | seeds | command | machine | date | commit |
|---|---|---|---|---|---|---|---|
"""
CITED = re.compile(r"results/([\w-]+)\.(?:md|json)")
FIGURE = re.compile(r"(?<![\w.,])[−-]?\d[\d,]*\.\d+(?![\w.]*\d)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+\.?\d*(?:e-?\d+)?")
SYSTEM = re.compile(r"^(\w+)-.*?-(x86_64|arm64|aarch64)\b.*$")


class Quoted(NamedTuple):
    """A figure in a page, and the pages of results that it stands beside."""

    page: str
    figure: str
    names: tuple[str, ...]


def pages() -> list[Path]:
    """Lists README and the pages of the site that people write."""
    docs = ROOT / "docs"
    return [ROOT / "README.md", *sorted(docs.glob("*.md")), *sorted((docs / "guides").glob("*.md"))]


def quoted(page: Path) -> Iterator[Quoted]:
    """Finds the figures that stand in a paragraph, or below a heading, that names results."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for section in re.split(r"(?m)^(?=## )", text):
        for part in section.split("\n\n"):
            names = CITED.findall(part) or (
                CITED.findall(section) if page.stem == "measured" else []
            )
            if names:
                where = str(page.relative_to(ROOT))
                for figure in FIGURE.findall(part):
                    yield Quoted(where, figure, tuple(dict.fromkeys(names)))


def numbers(found: Any) -> Iterator[float]:
    """Lists the numbers of a JSON, and the mean and the median of each of its lists.

    Example:
        >>> sorted(numbers({"a": [{"x": 1}, {"x": 2}], "b": "3 ± 0.5"}))
        [0.5, 1.0, 1.5, 1.5, 2.0, 3.0]
    """
    if isinstance(found, bool) or found is None:
        return
    if isinstance(found, int | float):
        yield float(found)
    elif isinstance(found, str):
        yield from map(float, NUMBER.findall(found))
    elif isinstance(found, Mapping):
        for value in found.values():
            yield from numbers(value)
    else:
        for value in found:
            yield from numbers(value)
        yield from summaries(found)


def summaries(values: list[Any]) -> Iterator[float]:
    """Gives mean and median of a list of numbers, or of each number that its entries have."""
    if values and all(isinstance(value, Mapping) for value in values):
        for name in values[0]:
            yield from summaries([value.get(name) for value in values])
    elif values and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        yield from (fmean(values), float(median(values)))


def holds(held: list[float], figure: str) -> bool:
    """Whether a figure is one of some numbers, rounded as it stands, or a hundred times one.

    Example:
        >>> holds([0.9868, -132.666], "−132.67"), holds([0.9868], "98.7"), holds([0.9868], "0.98")
        (True, True, False)
    """
    text = figure.lstrip("−-").replace(",", "")
    most = 0.5000001 * 10.0 ** -len(text.split(".")[1])
    return any(abs(abs(n) * scale - float(text)) <= most for n in held for scale in (1, 100))


def unheld() -> list[Quoted]:
    """Lists the quoted figures that no JSON beside them holds, nor `published` of others' work."""
    says, read = known(), {}
    found = []
    for page in pages():
        for quote in quoted(page):
            held: list[float] = []
            for name in quote.names:
                if name not in read:
                    of_others = [*map(float, says.get(name, {}).get("published", ()))]
                    read[name] = [*numbers(record(name)), *of_others]
                held += read[name]
            if not holds(held, quote.figure):
                found.append(quote)
    return found


def record(name: str) -> Any:
    """Reads the JSON behind a page; nothing where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def named(found: Any, *keys: str) -> Iterator[Any]:
    """Finds what a JSON has under some names, wherever."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            if key in keys and not isinstance(value, Mapping):
                yield value
            else:
                yield from named(value, *keys)
    elif isinstance(found, list):
        for value in found:
            yield from named(value, *keys)


def seeds(found: Any) -> str:
    """Says which seeds a JSON names, or how many.

    Example:
        >>> seeds({"seed": 0, "runs": [{"seed": 1}, {"seed": 2}]}), seeds({"seeds": 3}), seeds({})
        ('0 to 2', '3 of them', '–')
    """
    counts = [one for one in named(found, "seeds") if isinstance(one, int)]
    if counts:
        return f"{max(counts)} of them"
    drawn = sorted({int(one) for one in named(found, "seed")})
    if not drawn:
        return "–"
    whole = drawn == [*range(drawn[0], drawn[-1] + 1)]
    return f"{drawn[0]} to {drawn[-1]}" if whole and len(drawn) > 1 else ", ".join(map(str, drawn))


def machine(found: Any) -> str:
    """Says on which machine, as far as a JSON does.

    Example:
        >>> machine({"versions": {"machine": "Linux-6.1-x86_64-with-glibc2.36"}, "threads": 2})
        'Linux, x86_64; 2 threads'
        >>> machine({})
        '–'
    """
    said = dict.fromkeys(SYSTEM.sub(r"\1, \2", str(one)) for one in named(found, "machine"))
    threads = dict.fromkeys(int(one) for one in named(found, "threads") if isinstance(one, int))
    counted = [f"{count} thread{'s' if count > 1 else ''}" for count in threads]
    return "; ".join([*said, *counted]) or "–"


def put_in(name: str) -> tuple[str, str]:
    """Gives day and commit of the last change of a JSON; nothing where there is no history."""
    asked = ["git", "log", "-1", "--format=%cs %h", "--", f"results/{name}.json"]
    try:
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "–", "–"
    day, _, commit = found.stdout.strip().partition(" ")
    return day or "–", commit or "–"


def line(row: Row, places: Mapping[str, list[str]]) -> str:
    """Writes the line of one page."""
    found = record(row.name)
    day, commit = put_in(row.name)
    commits = dict.fromkeys(str(one) for one in named(found, "commit", "commits"))
    said = "; ".join(commits)
    cells = (
        f"[{row.title}]({row.name}.md): {row.claim}" if row.claim != row.title else
        f"[{row.title}]({row.name}.md)",
        row.measured,
        ", ".join(f"[{page}](../{page})" for page in places.get(row.name, [])) or "–",
        seeds(found),
        row.command,
        machine(found),
        day,
        f"{said} ({commit})" if said else f"({commit})",
    )  # fmt: skip
    return "| " + " | ".join(plain_cell(cell) for cell in cells) + " |"


def plain_cell(text: str) -> str:
    """Keeps a cell on its line."""
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    """Writes the whole table."""
    places: dict[str, list[str]] = {}
    for path in pages():
        text = path.read_text(encoding="utf-8")
        for name in dict.fromkeys(CITED.findall(text)):
            places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return INTRODUCTION + "\n".join(line(row, places) for row in rows()) + "\n"


HISTORY = re.compile(r" (?:\d{4}-\d\d-\d\d|–) \| ([^|]*)\((?:[0-9a-f]+|–)\) \|$", re.MULTILINE)


def undated(text: str) -> str:
    """Leaves out what the history says, which a copy without one does not know."""
    return HISTORY.sub(r" \1|", text)


if __name__ == "__main__":
    (RESULTS / "README.md").write_text(page(), encoding="utf-8")
