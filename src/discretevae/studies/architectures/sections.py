"""The parts of a page: texts, tables and figures, as HTML or as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from discretevae.pages.report import ReportFigure

__all__ = ["Section", "Table", "as_markdown"]


@dataclass(frozen=True)
class Table:
    """Rows of texts below their columns; the first column names the row.

    Raises:
        ValueError: If a row has more or fewer cells than there are columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"`rows` must have {len(self.columns)} cells each, got {row}.")


@dataclass(frozen=True)
class Section:
    """A part of the page under a title of its own."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[ReportFigure] = field(default=())


def as_markdown(sections: Sequence[Section], folder: Path) -> str:
    """Writes sections as Markdown; pictures are linked from `folder`.

    Example:
        >>> print(as_markdown([Section("Bounds", ["True ones."], [Table("ab", ["cd"])])], Path()))
        ## Bounds
        <BLANKLINE>
        True ones.
        <BLANKLINE>
        | a | b |
        |---|---|
        | c | d |
        <BLANKLINE>
    """
    parts = []
    for section in sections:
        parts += [f"## {section.title}", *section.paragraphs]
        for table in section.tables:
            parts += ["\n".join(_lines(table)), *([table.note] if table.note else [])]
        for figure in section.figures:
            link = Path(figure.path).relative_to(folder).as_posix()
            parts.append(f"**{figure.title}.** {figure.caption}\n\n![{figure.title}]({link})")
    return "\n\n".join(parts) + "\n"


def _lines(table: Table) -> list[str]:
    head = [_line(table.columns), "|" + "---|" * len(table.columns)]
    return head + [_line(row) for row in table.rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
