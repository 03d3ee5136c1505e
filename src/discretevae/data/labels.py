"""Labels of one's own: any names or whole numbers, some of them not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from .errors import DataError
from .formats.raw import RawColumn
from .missing import Marks
from .numbers import POINT

__all__ = ["NOT_KNOWN", "LabelRule"]

NOT_KNOWN = -1
"""The index of an example without a label, which is scikit-learn's mark too."""

NO_MARKS = Marks()


@dataclass(frozen=True)
class LabelRule:
    """Which index each label has.

    Arguments:
        name: What the source calls the labels.
        classes: The name of each index; none where labels are 0, 1, … C − 1 themselves.
        marks: Of labels that are not known, beside empty cells and −1.
        count: How many classes there are.
        unknown: How many rows had no label.

    Example:
        >>> column = RawColumn.of("label", ["3", "700", "", "-1", "3"])
        >>> rule = LabelRule.of(column)
        >>> rule.classes, rule.indices(column).tolist()
        (('3', '700'), [0, 1, -1, -1, 0])
    """

    name: str
    classes: tuple[str, ...] | None
    marks: tuple[str, ...] = ()
    count: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, column: RawColumn, marks: Marks = NO_MARKS, where: str = "") -> "LabelRule":
        """Finds the classes among the labels of a source.

        Raises:
            DataError: If labels are fractions, or none is known.
        """
        texts = [_text(cell, marks) for cell in column.values]
        names = {text for text in texts if text is not None}
        unknown = int(column.counts()[[text is None for text in texts]].sum())
        place = f"{where}, column '{column.name}': " if where else ""
        if not names:
            raise DataError(f"{place}labels must be known for some rows, got none.")
        numbers = {name: POINT.number(name) for name in names}
        given = tuple(marks.given)
        if None in numbers.values():
            return cls(column.name, tuple(sorted(names)), given, len(names), unknown)
        if any(not float(number or 0).is_integer() for number in numbers.values()):
            raise DataError(
                f"{place}labels must be whole numbers or text, got fractions; leave them out "
                f"with --drop {column.name}."
            )
        in_order = sorted(names, key=lambda name: numbers[name] or 0.0)
        counted = in_order == [str(i) for i in range(len(in_order))]
        classes = None if counted else tuple(in_order)
        return cls(column.name, classes, given, len(names), unknown)

    @property
    def known(self) -> str:
        """Says which classes there are, and how many rows have none."""
        names = [str(i) for i in range(self.count)] if self.classes is None else self.classes
        shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
        unknown = f"; {self.unknown:,} rows not known" if self.unknown else ""
        return f"{self.count:,} classes: {shown}{unknown}"

    def indices(self, column: RawColumn) -> Int64[np.ndarray, " n"]:
        """Gives the index of each row's label, −1 where it is not known or no class."""
        marks = Marks(self.marks)
        texts = [_text(cell, marks) for cell in column.values]
        if self.classes is None:
            found = [NOT_KNOWN if text is None else _whole(text) for text in texts]
        else:
            known = {name: index for index, name in enumerate(self.classes)}
            found = [known.get(text or "", NOT_KNOWN) for text in texts]
        return column.spread(np.array(found, np.int64))

    def config(self) -> dict[str, Any]:
        """Describes the rule in plain types."""
        classes = None if self.classes is None else list(self.classes)
        return {
            "name": self.name,
            "classes": classes,
            "marks": list(self.marks),
            "count": self.count,
            "unknown": self.unknown,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LabelRule":
        """Rebuilds what `config` describes."""
        classes = config["classes"]
        return cls(
            str(config["name"]),
            None if classes is None else tuple(map(str, classes)),
            tuple(config["marks"]),
            int(config["count"]),
            int(config["unknown"]),
        )


def _text(cell: Any, marks: Marks) -> str | None:
    """What a label says: 1, not 1.0; nothing of one that is not known."""
    if marks.missing(cell):
        return None
    number = POINT.number(cell)
    if number is not None and not isinstance(cell, bool) and number.is_integer():
        return None if number == NOT_KNOWN else str(int(number))
    return cell.strip() if isinstance(cell, str) else str(cell)


def _whole(text: str) -> int:
    number = POINT.number(text)
    return NOT_KNOWN if number is None else int(number)
