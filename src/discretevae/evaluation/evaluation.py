"""The record of an evaluation, and how it is shown."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from discretevae.evaluation.figure import format_value

if TYPE_CHECKING:
    import pandas

__all__ = ["TITLE", "Evaluation", "as_rows"]

TITLE = "True bounds (nats per example) and health of the code"


def as_rows(record: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[tuple[str, ...]]:
    """Gives a row of text for each figure: its name, then its value in each split.

    Figures with a value for each latent are left out.
    """
    for name in max(record.values(), key=len, default={}):
        entries = [split.get(name) for split in record.values()]
        first = next(entry for entry in entries if entry)
        if isinstance(first["value"], list):
            continue
        cells = [format_value(e["value"], e["se"]) if e else "–" for e in entries]
        of = first["unit"].removeprefix("of ").split()[0]
        label = f"{name.replace('_', ' ')}" + f" (of {of})" * first["unit"].startswith("of ")
        yield (label, *cells)


class Evaluation(dict[str, dict[str, dict[str, Any]]]):
    """split → name → {"value", "se", "unit"}, a dictionary like any other, shown as a table.

    Example:
        >>> elbo = {"value": -30.25, "se": 0.4, "unit": "nats per example"}
        >>> Evaluation(test={"elbo": elbo})
        True bounds (nats per example) and health of the code
                     test
        elbo  −30.2 ± 0.4
    """

    def to_frame(self) -> "pandas.DataFrame":
        """Gives a data frame of pandas: a row for each figure of each split."""
        import pandas

        rows = [
            {"split": split, "figure": name, **figure}
            for split, figures in self.items()
            for name, figure in figures.items()
        ]
        return pandas.DataFrame(rows).set_index(["split", "figure"])

    def __repr__(self) -> str:
        rows = [("", *self), *as_rows(self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(
                [row[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            ).rstrip()
            for row in rows
        )
        return "\n".join([TITLE, *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in ("", *self))
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in as_rows(self)
        )
        return f"<table><caption>{TITLE}</caption><tr>{head}</tr>{body}</table>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Keeps IPython from writing a dictionary instead."""
        printer.text(repr(self))
