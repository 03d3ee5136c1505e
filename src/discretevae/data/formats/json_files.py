"""JSON: a record a line, or records, columns and rows in one piece."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..plurals import plural
from .raw import Note, RawTable
from .raw_array import RawArray
from .raw_text import RawText, text_of_sentences
from .records import table_of_columns, table_of_records
from .text_files import encoding_of, open_text

__all__ = ["read_json"]

ODD = 0.01
"""The share of lines that may be damaged and are left out."""


def read_json(path: Path) -> RawTable | RawArray | RawText:
    """Returns what a `.json` or `.jsonl` file holds: records, columns, rows or sentences.

    Records within records become columns called `outer.inner`.

    Raises:
        DataError: If it is damaged, or holds something else.
    """
    encoding, notes = encoding_of(path, json=True)
    found = _whole(path, encoding) if ".json" in path.suffixes else None
    if found is None:
        found, damaged = _lines(path, encoding)
        if damaged:
            notes.append(Note(f"{plural(damaged, 'damaged line')} left out"))
    source: Any = _of_json(found, path)
    return replace(source, notes=(*notes, *source.notes))


def _whole(path: Path, encoding: str) -> Any:
    """What a file holds in one piece; nothing where it is a record a line."""
    with open_text(path, encoding) as file:
        try:
            return json.loads(file.read())
        except json.JSONDecodeError as error:
            if error.msg == "Extra data":
                return None
            place = f"{path}, line {error.lineno}"
            raise DataError(f"{place}: must be JSON, got other text.") from None
        except RecursionError:
            raise DataError(f"{path} must hold records, got lists within lists.") from None


def _lines(path: Path, encoding: str) -> tuple[list[Any], int]:
    rows, damaged, first = [], 0, 0
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except (json.JSONDecodeError, RecursionError):
                damaged, first = damaged + 1, first or number
    if damaged > ODD * (len(rows) + damaged):
        raise DataError(f"{path}, line {first}: must be JSON, got other text.")
    return rows, damaged


def _of_json(found: Any, path: Path) -> RawTable | RawArray | RawText:
    where, name = str(path), path.name.split(".")[0]
    if isinstance(found, Mapping):
        return _of_object(found, path)
    if isinstance(found, list) and found:
        if all(isinstance(row, Mapping) for row in found):
            return table_of_records([dict(_flat(row)) for row in found], where, name)
        if all(isinstance(row, str) for row in found):
            return text_of_sentences(found, where, name)
        if all(isinstance(row, list) for row in found):
            return _of_rows(found, where, name)
        if not any(isinstance(row, (Mapping, list)) for row in found):
            return table_of_columns({"1": found}, where, name)
    raise DataError(f"{where} must hold records, columns, rows or sentences, got something else.")


def _of_object(found: Mapping[str, Any], path: Path) -> RawTable | RawArray | RawText:
    where, name = str(path), path.name.split(".")[0]
    if isinstance(found.get("columns"), list) and isinstance(found.get("data"), list):
        titles = [str(title) for title in found["columns"]]
        records = [dict(zip(titles, row, strict=False)) for row in found["data"]]
        return table_of_records(records, where, name)
    cells = list(found.values())
    columns = cells and all(isinstance(column, list) for column in cells)
    if columns and len(set(map(len, cells))) == 1 < len(cells):
        return table_of_columns(found, where, name)
    if cells and all(isinstance(column, Mapping) for column in cells):
        if all(key.isdigit() for key in found):  # rows by their number
            return table_of_records([dict(_flat(row)) for row in cells], where, name)
        rows = list(dict.fromkeys(key for column in cells for key in column))
        return table_of_columns(
            {title: [column.get(row) for row in rows] for title, column in found.items()},
            where, name,
        )  # fmt: skip
    lists = [value for value in cells if isinstance(value, list) and value]
    if len(lists) == 1:  # as services answer: records beside a count and the like
        return _of_json(lists[0], path)
    raise DataError(f"{where} must hold records, columns, rows or sentences, got an object.")


def _flat(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for title, cell in record.items():
        if isinstance(cell, Mapping) and cell:
            yield from _flat(cell, f"{above}{title}.")
        else:
            yield f"{above}{title}", cell


def _of_rows(rows: list[list[Any]], where: str, name: str) -> RawTable | RawArray:
    try:
        array = np.array(rows)
    except ValueError:
        raise DataError(f"{where} must have rows of one length, got several.") from None
    if array.dtype.kind in "biuf":
        return RawArray(where, name, array)
    columns = {str(i): [row[i] for row in rows] for i in range(len(rows[0]))}
    return table_of_columns(columns, where, name)
