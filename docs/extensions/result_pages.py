"""The pages of `results/` in the site, with a table of all of them.

What a page claims and what it measured stand in `docs/results.toml`; every number there has to
stand on the page, so that a figure that changes breaks the build.
"""

import re
import shutil
import subprocess
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sphinx.application import Sphinx

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
COMMAND = re.compile(r"`((?:python|discretevae|make) [^`]+)`")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?")
SENTENCE = re.compile(r".+?[.:](?=\s+[A-Z−]|$)", re.DOTALL)

INTRODUCTION = """\
# Results

Each page was written by the command beside it, from runs on the machine that the page names; the
JSON behind it lies in `results/`. Figures are true bounds in nats per example with standard errors
unless a page says otherwise. What a page says of itself in bold, that it is a pilot or not whole,
is part of the result.

| claimed or asked | measured | command | last made |
|---|---|---|---|
"""


class Row(NamedTuple):
    """A line of the table."""

    name: str
    title: str
    claim: str
    measured: str
    command: str
    made: str


def plain(text: str) -> str:
    """Takes line ends, bold and links away."""
    without_links = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return " ".join(without_links.replace("**", "").split())


def lead(page: str) -> str:
    """Gives what a page says first: its bold line, or the first sentence."""
    paragraphs = [part for part in page.split("\n\n")[1:] if not part.startswith(("|", "#", "`"))]
    bold = next((part for part in paragraphs[:3] if part.startswith("**")), None)
    first = plain(bold or (paragraphs[0] if paragraphs else ""))
    found = SENTENCE.match(first)
    return found[0] if found else first


def made(path: Path) -> str:
    """Gives the day of the last commit of a page; nothing where there is no history."""
    asked = ["git", "log", "-1", "--format=%ct", "--", str(path)]
    try:
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "–"
    if not found.stdout.strip():
        return "–"
    day = datetime.fromtimestamp(int(found.stdout), timezone.utc).date()
    days = (date.today() - day).days
    return f"{day}, {'today' if days < 1 else f'{days} days ago' if days > 1 else 'yesterday'}"


def known() -> dict[str, dict[str, Any]]:
    """Reads what `docs/results.toml` says of the pages."""
    return tomllib.loads((ROOT / "docs" / "results.toml").read_text(encoding="utf-8"))


def rows() -> list[Row]:
    """Reads all pages, in the order of `docs/results.toml`, others after."""
    says = known()
    names = sorted(path.stem for path in RESULTS.glob("*.md") if path.stem != "README")
    names = [name for name in says if name in names] + [name for name in names if name not in says]
    return [row_of(name, says.get(name, {})) for name in names]


def row_of(name: str, known: dict[str, Any]) -> Row:
    """Reads one page.

    Raises:
        ValueError: If a number in `measured` does not stand there.
    """
    page = (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    title = plain(page.splitlines()[0].lstrip("# "))
    measured = known.get("measured", "")
    lacking = set(NUMBER.findall(measured)) - set(NUMBER.findall(page))
    if lacking:
        raise ValueError(
            f"results/{name}.md must have the numbers that docs/results.toml says of it, got none "
            f"of {', '.join(sorted(lacking))}."
        )
    command = COMMAND.search(page)
    return Row(
        name,
        title,
        known.get("claim", title),
        measured or lead(page),
        f"`{command[1]}`" if command else "–",
        made(RESULTS / f"{name}.md"),
    )


def table() -> str:
    """Writes the table and the list of the pages."""
    found = rows()
    lines = []
    for row in found:
        claim = "" if row.claim == row.title else f"<br>{row.claim}"
        cells = (f"[{row.title}]({row.name}.md){claim}", row.measured, row.command, row.made)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    pages = "\n".join(row.name for row in found)
    return f"{INTRODUCTION}{chr(10).join(lines)}\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def write(app: "Sphinx") -> None:
    """Copies the pages and their pictures into the sources, where they differ."""
    folder = Path(app.srcdir) / "results"
    wanted = {"index.md": table().encode()}
    written = [path for path in RESULTS.rglob("*.md") if path.stem != "README"]
    for path in [*written, *RESULTS.rglob("*.png"), *RESULTS.rglob("*.svg")]:
        wanted[str(path.relative_to(RESULTS))] = path.read_bytes()
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in wanted.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


LINK = re.compile(r"\]\((?:\.\./)+results/([\w/-]+\.(?:md|png))")


def rewrite(app: "Sphinx", name: str, source: list[str]) -> None:
    """Turns links to `results/`, as they are right in the repository, into those of the site."""
    up = "../" * name.count("/")
    source[0] = LINK.sub(rf"]({up}results/\1", source[0])


def setup(app: "Sphinx") -> dict[str, bool]:
    """Writes the pages before the sources are looked for."""
    app.connect("builder-inited", write, priority=1)
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
