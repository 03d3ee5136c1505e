"""From a path or an object to a source as it is, and to what it means."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from discretevae.schema.columns import DiscreteColumn

from .array_schema import ArraySchema
from .budget import of_values, require_memory
from .errors import DataError, nearest, unknown_name
from .fields import Field
from .formats.delimited import read_delimited
from .formats.dialects import looks_like_table
from .formats.images import ENDINGS as IMAGES
from .formats.images import ImageFolder, find_images, read_pictures
from .formats.json_files import read_json
from .formats.numpy_files import read_arrays
from .formats.objects import read_object
from .formats.parquet import read_parquet_table
from .formats.raw import SPLIT, Note, RawColumn, RawTable, part_of
from .formats.raw_array import RawArray
from .formats.raw_text import RawText, read_text_lines, text_of_table
from .missing import Marks
from .numbers import POINT
from .prose import is_prose
from .reading import GUESS, ReadingOptions
from .schema import Loaded, Rows, Schema
from .sentence_schema import SentenceSchema
from .table_schema import LABELS, TableSchema

__all__ = ["FILE_FORMATS", "Source", "learn_schema", "open_source", "read_by", "source_parts"]

Source = RawTable | RawArray | RawText

TEXTS = ("text", "sentence")
"""What a column of sentences may be called, where none is named."""
MOST_CLASSES = 20
"""Values up to which the only column beside sentences is one of classes."""
OF_LEVELS = ("discretised-logistic", "logistic-mixture", "levels", "local-mixture")
OF_NUMBERS = (
    "bernoulli",
    "local-bernoulli",
    "bernoulli-grey",
    "continuous-bernoulli",
    "gaussian",
    *OF_LEVELS,
)
PIXELS = 64
WIDE = 256
"""Columns of numbers beyond which a table is taken for an array."""

FILE_FORMATS: dict[str, Callable[[Path, ReadingOptions], Source]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".data", ".dat"), read_delimited),
    **dict.fromkeys((".parquet", ".pq"), lambda path, _: read_parquet_table(path)),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), lambda path, _: read_json(path)),
    **dict.fromkeys((".npy", ".npz"), lambda path, reading: read_arrays(path, reading.label)),
}
"""Ending → what reads such a file; .txt is sentences or a table, and images are by themselves."""
PACKED = (".txt", ".csv", ".tsv", ".tab", ".data", ".dat", ".json", ".jsonl", ".ndjson")
"""Endings of files that are read as they are packed by gzip."""
HINTS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsb", ".xlsm", ".ods"), "save the sheet as .csv"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"),
        "write it as .parquet or .npz: a pickle may run any program",
    ),
    **dict.fromkeys((".pt", ".pth"), "write it as .npy: numpy.save(…, tensor.numpy())"),
    ".mat": "write it as .npz: numpy.savez(…, **scipy.io.loadmat(…))",
    ".feather": "write it as .parquet: pandas.read_feather(…).to_parquet(…)",
    ".arrow": "write it as .parquet: pandas.read_feather(…).to_parquet(…)",
    ".arff": "write it as .csv: pandas.DataFrame(scipy.io.arff.loadarff(…)[0]).to_csv(…)",
    ".dta": "write it as .parquet: pandas.read_stata(…).to_parquet(…)",
    ".sav": "write it as .parquet: pandas.read_spss(…).to_parquet(…)",
    ".sas7bdat": "write it as .parquet: pandas.read_sas(…).to_parquet(…)",
    **dict.fromkeys((".rds", ".rdata"), "write it as .csv: write.csv(…, row.names = FALSE)"),
    **dict.fromkeys((".h5", ".hdf5", ".nc"), "write its array as .npy: numpy.save(…)"),
    **dict.fromkeys((".nii", ".dcm", ".fits"), "write its array as .npy: numpy.save(…)"),
    ".safetensors": "write its tensor as .npy: numpy.save(…)",
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".zst", ".gz"), "unpack it"),
    **dict.fromkeys((".bz2", ".xz"), "unpack it, or pack it as .gz"),
    **dict.fromkeys((".sql", ".db", ".sqlite"), "export the table as .csv"),
    **dict.fromkeys((".xml", ".html", ".yaml", ".yml"), "write it as .csv"),
    **dict.fromkeys((".log", ".text", ".md", ".rst"), "call it .txt, a sentence a line"),
    **dict.fromkeys((".doc", ".docx", ".pdf", ".odt"), "save its text as .txt, a sentence a line"),
    **dict.fromkeys((".heic", ".heif", ".svg", ".cr2", ".nef"), "save it as .png or .jpg"),
    **dict.fromkeys((".mp4", ".avi", ".mov"), "write its pictures into a folder"),
    **dict.fromkeys((".wav", ".mp3", ".flac"), "write its samples as rows of an .npy"),
}
"""Ending → what makes of such a file one that is read."""


READ_BY: dict[str, tuple[type, ...]] = {
    TableSchema.kind: (RawTable,),
    ArraySchema.kind: (RawArray, RawTable),
    SentenceSchema.kind: (RawText,),
}
"""Kind of schema → the sources that it reads."""


def endings() -> tuple[str, ...]:
    """Lists the endings of files that are read, but for images."""
    return (".txt", *FILE_FORMATS)


def open_source(
    data: Any,
    reading: ReadingOptions = GUESS,
    likelihood: str | None = None,
    schema: Schema | None = None,
) -> Source:
    """Opens what data come in, nothing understood yet: a file, a folder, or an object of Python.

    Arguments:
        data: A path, or what `read_object` takes.
        reading: What the user says of it.
        likelihood: That is asked for: tokens take a file for sentences, columns for a table.
        schema: Of a run, whose data this is like.

    Raises:
        DataError: If it is missing, empty, damaged, or of a kind that is not read.
    """
    said = reading
    if schema is not None:
        reading = replace(schema.reading, header=said.header, delimiter=said.delimiter)
    if isinstance(data, (str, os.PathLike)):
        if not str(data):
            raise DataError("`data` must name a file, a folder or a data set, got ''.")
        path = Path(os.path.expanduser(data))
        try:
            source = _opened(path, reading, likelihood, schema)
            if schema is not None and said == GUESS and _lacks(source, schema):
                source = _opened(path, schema.reading, likelihood, schema)  # as the run's own file
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    else:
        source = read_object(data)
    if isinstance(source, RawTable) and _is_of_sentences(source, reading, likelihood, schema):
        text = _sentences_in(source, reading)
        source = text_of_table(source, text, _label_beside(source, text, reading, schema))
    if isinstance(source, RawTable) and source.nested:
        source = _of_vectors(source, reading, schema)
    if isinstance(source, RawArray):
        source = _with_gaps(source, Marks(reading.na_values))
    if schema is not None and not isinstance(source, READ_BY[schema.kind]):
        kinds = {RawTable: "a table", RawArray: "an array or images", RawText: "sentences"}
        raise DataError(
            f"{source.where} must be like the data of the run, {schema.name} ({schema.kind}), "
            f"got {kinds[type(source)]}."
        )
    return source


def _with_gaps(array: RawArray, marks: Marks) -> RawArray:
    """Rows of numbers in which those are missing that the user says stand for none."""
    if array.x.ndim != 2 or array.x.dtype.kind not in "iuf" or not (marks.numbers or marks.columns):
        return array
    x = array.x.astype(np.float64)
    for place in range(x.shape[1]):
        marked = np.isin(x[:, place], list(marks.of(str(place)).numbers))
        x[marked, place] = np.nan
    return replace(array, x=x) if np.isnan(x).any() else array


def learn_schema(
    source: Source,
    rows: Rows | None = None,
    reading: ReadingOptions = GUESS,
    likelihood: str | None = None,
    *,
    pieces: int | None = None,
    max_tokens: int | None = None,
) -> Schema:
    """Finds out what a source means.

    Arguments:
        source: As `open_source` gives it.
        rows: Those to train on; by default all.
        reading: What the user says.
        likelihood: That is asked for.
        pieces: Of the vocabulary of sentences.
        max_tokens: Of a sentence.

    Raises:
        DataError: If the source does not go with the likelihood, or cannot be learned from.
    """
    if isinstance(source, RawText):
        _require_kind(likelihood, "tokens", source, "sentences")
        return SentenceSchema.learn(source, rows, reading, pieces=pieces, most=max_tokens)
    if isinstance(source, RawArray):
        return ArraySchema.learn(source, rows, reading, likelihood=likelihood)
    of_numbers = likelihood in OF_NUMBERS
    table = TableSchema.learn(source, rows, reading, least=0 if of_numbers else 1)
    if of_numbers or (likelihood is None and _is_wide(table, source)):
        table = TableSchema.learn(source, rows, _all_numbers(table, source))
        array = table.as_array(source)
        return ArraySchema.learn(array, rows, reading, likelihood=likelihood, table=table)
    return table


def source_parts(source: Source, reading: ReadingOptions = GUESS) -> np.ndarray | None:
    """Tells which part each row belongs to, where the source says so: 0, 1 or 2."""
    if reading.splits == "pool" or isinstance(source, RawText):
        return None
    return source.parts


def read_by(schema: Schema, data: Any) -> Loaded:
    """Reads a source by what was learned of another, as every command after `train` does.

    Raises:
        DataError: If it does not fit.

    Example:
        >>> schema = learn_schema(open_source(np.array([[2.0], [4.0]])))
        >>> read_by(schema, [[3.0]]).examples.x
        tensor([[3.]])
    """
    return schema.read(open_source(data, schema=schema))


def _opened(
    path: Path, reading: ReadingOptions, likelihood: str | None, schema: Schema | None
) -> Source:
    if os.path.isdir(path):
        return _of_folder(path, reading, schema)
    _require_file(path)
    ending = _ending(path)
    if ending in FILE_FORMATS:
        return FILE_FORMATS[ending](path, reading)
    if ending == ".txt":
        asked = likelihood or (schema.likelihood if schema is not None else None)
        table = looks_like_table(path) if asked is None else asked != "tokens"
        return read_delimited(path, reading) if table else read_text_lines(path)
    return _of_images(ImageFolder(path.parent, (Path(path.name),), None, None), reading, schema)


def _lacks(source: Source, schema: Schema) -> bool:
    """Whether a table has not the columns of a run whose own file was read as the user said."""
    if not isinstance(source, RawTable):
        return False
    table = schema.table if isinstance(schema, ArraySchema) else schema
    names = [field.name for field in table.fields] if isinstance(table, TableSchema) else []
    if isinstance(table, SentenceSchema) and table.column is not None:
        names = [table.column]
    return any(name not in source.columns for name in names)


def _of_folder(path: Path, reading: ReadingOptions, schema: Schema | None) -> Source:
    """A folder of images, of files of data called train, val and test, or around a single one."""
    files = [p for p in sorted(path.iterdir()) if _ending(p) in FILE_FORMATS]
    named = [(part, p) for p in files if (part := _part_of_file(p)) is not None]
    if any(part == 0 for part, _ in named) and (len(named) > 1):
        return joined([(part, _read_file(p, reading)) for part, p in named], path)
    if files and not any(map(_may_hold_images, path.iterdir())):
        if len(files) > 1:
            found = ", ".join(p.name for p in files[:3]) + " …" * (len(files) > 3)
            raise DataError(
                f"{path} must hold one file of data, or files called train, validation and test, "
                f"got {found}; give one of them."
            )
        others = sum(1 for p in path.iterdir() if p != files[0])
        source: Any = _read_file(files[0], reading)
        more = f"{others:,} other{'s' * (others != 1)} passed over"
        note = Note(f"the only file of data in the folder; {more}")
        return replace(source, notes=(*source.notes, note)) if others else source
    return _of_images(find_images(path, reading), reading, schema)


def _may_hold_images(path: Path) -> bool:
    shown = not path.name.startswith(".")
    return shown and (path.is_dir() or path.suffix.lower() in IMAGES)


def _read_file(path: Path, reading: ReadingOptions) -> Source:
    _require_file(path)
    return FILE_FORMATS[_ending(path)](path, reading)


def _part_of_file(path: Path) -> int | None:
    """The part that a file holds: of train.csv, or of train-00000-of-00002.parquet."""
    stem = path.name.split(".")[0].lower()
    return part_of(re.sub(r"[-_]\d+([-_]of[-_]\d+)?$", "", stem))


def _of_images(images: ImageFolder, reading: ReadingOptions, schema: Schema | None) -> RawArray:
    known = schema.pictures if isinstance(schema, ArraySchema) else None
    if known is not None:
        return read_pictures(images, known, reading)
    rule, notes = images.rule(reading)
    return read_pictures(replace(images, notes=(*images.notes, *notes)), rule, reading)


def joined(sources: Sequence[tuple[int, Source]], path: Path) -> Source:
    """Puts the parts of a source one after the other: each its part and what it holds."""
    pairs = sorted(sources, key=lambda pair: pair[0])
    parts, found = [part for part, _ in pairs], [source for _, source in pairs]
    labels = np.repeat(parts, [source.rows for source in found])
    names = {0: "train", 1: "validation", 2: "test"}
    counts = Counter(labels.tolist())
    said = ", ".join(f"{names[part]} {count:,}" for part, count in counts.items())
    notes = (Note(f"parts as the files have them: {said}", "--splits pool"),)
    if len(counts) == 1:
        notes = (Note(f"{len(found):,} files one after the other"),)
    if all(isinstance(source, RawTable) for source in found):
        first = found[0]
        tables: list[RawTable] = found  # type: ignore[assignment]
        for table in tables[1:]:
            if set(table.columns) != set(tables[0].columns):
                odd = sorted(set(table.columns) ^ set(tables[0].columns))
                raise DataError(
                    f"{table.where} must have the columns of {first.where}, got other {odd[0]!r}."
                )
        columns = {
            name: RawColumn.of(name, [c for t in tables for c in t.columns[name].cells()])
            for name in tables[0].columns
        }
        if len(counts) > 1:
            columns[SPLIT] = RawColumn.of(SPLIT, [names[p] for p in labels])
        return replace(
            tables[0], where=str(path), name=path.resolve().name, columns=columns, lines=None,
            notes=(*tables[0].notes, *notes),
        )  # fmt: skip
    if all(isinstance(source, RawArray) for source in found):
        arrays: list[RawArray] = found  # type: ignore[assignment]
        whole = [a.labels for a in arrays if a.labels is not None]
        cells = [cell for column in whole for cell in column.cells()]
        return RawArray(
            str(path), path.resolve().name, np.concatenate([a.x for a in arrays]),
            RawColumn.of("label", cells) if len(whole) == len(arrays) else None,
            parts=labels if len(counts) > 1 else None, notes=notes,
        )  # fmt: skip
    raise DataError(f"{path} must hold parts of one format, got several.")


def _require_file(path: Path) -> None:
    if not os.path.exists(path):
        folder = path.parent
        if not os.path.isdir(folder):
            raise DataError(f"{path} does not exist: there is no folder {folder}.")
        raise DataError(f"{path} does not exist.{nearest(path.name, _names_in(folder))}")
    if not os.path.isfile(path):
        raise DataError(f"{path} must be a file or a folder of images.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} must hold data, got an empty file.")
    ending = _ending(path)
    if ending not in endings() and ending not in IMAGES:
        hint = f"; {HINTS[ending]}" if ending in HINTS else ""
        raise DataError(
            f"{path} must end in {', '.join(endings())} or be a folder of images, "
            f"got {ending or 'no ending'}{hint}."
        )


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _ending(path: Path) -> str:
    """The ending of a path; .csv of one that ends in .csv.gz."""
    inner = path.with_suffix("").suffix.lower()
    return inner if path.suffix.lower() == ".gz" and inner in PACKED else path.suffix.lower()


def _is_of_sentences(
    table: RawTable, reading: ReadingOptions, likelihood: str | None, schema: Schema | None
) -> bool:
    if schema is not None:
        return isinstance(schema, SentenceSchema)
    if likelihood is not None or reading.column is not None:
        return likelihood == "tokens" or (likelihood is None and reading.column is not None)
    return _only_text(table, reading) is not None


def _only_text(table: RawTable, reading: ReadingOptions) -> str | None:
    """The column of sentences, where a table has nothing else but ids and a class."""
    label = _label_in(table, reading)
    texts = [name for name in table.columns if name != label and _is_prose(table.columns[name])]
    if len(texts) != 1:
        return None
    rest = [name for name in table.columns if name not in (texts[0], label)]
    if not rest or table.rows < 2:
        return texts[0]
    schema = TableSchema.learn(table, None, reading, least=0)
    others = [field for field in schema.fields if field.name != texts[0]]
    alone = len(others) == len(schema.fields)  # as texts that hardly recur: no categories
    one_class = alone and label is None and len(others) == 1 and _is_class(others[0])
    return texts[0] if not others or one_class else None


def _of_vectors(table: RawTable, reading: ReadingOptions, schema: Schema | None) -> Source:
    """An array, where the only thing to learn from in a table is a column of vectors."""
    if schema is not None and schema.kind != ArraySchema.kind:
        return table
    (name, *others) = sorted(table.nested)
    label = _label_in(table, reading)
    if others or name in reading.named or _is_vector(table.columns[name].values[0]) is None:
        return table
    rest = [column for column in table.columns if column not in (name, label)]
    if schema is None and rest and TableSchema.learn(table, None, reading, least=0).fields:
        return table
    cells = table.columns[name].cells()
    if len({_is_vector(cell) for cell in cells}) > 1:
        return table
    require_memory(of_values(len(cells) * len(cells[0]), 8), table.where, "; give fewer rows")
    return RawArray(
        table.where, table.name, np.array(cells),
        None if label is None else table.columns[label],
        beside={column or "index": table.columns[column] for column in rest},
        notes=(*table.notes, Note(f"rows of numbers: {name}", f"--drop {name}")),
    )  # fmt: skip


def _is_vector(cell: Any) -> int | None:
    """How many numbers a cell holds, if it is a list of them."""
    if isinstance(cell, np.ndarray):
        return len(cell) if cell.ndim == 1 and cell.dtype.kind in "biuf" else None
    if not isinstance(cell, list) or not cell:
        return None
    return len(cell) if all(isinstance(number, (int, float)) for number in cell) else None


def _is_class(field: Field) -> bool:
    (column, *_) = field.columns
    return isinstance(column, DiscreteColumn) and len(column.categories) <= MOST_CLASSES


def _label_beside(
    table: RawTable, text: str, reading: ReadingOptions, schema: Schema | None
) -> str | None:
    """The column of labels, also one that is the only other one and has few values."""
    if schema is not None:
        name = None if schema.labels is None else schema.labels.name
        return name if name in table.columns else None
    label = _label_in(table, reading)
    if label is not None:
        return label
    fields = TableSchema.learn(table, None, reading, least=0).fields
    others = [field for field in fields if field.name != text]
    return others[0].name if len(others) == 1 and _is_class(others[0]) else None


def _is_prose(column: RawColumn) -> bool:
    texts = [cell for cell in column.values[:1000] if isinstance(cell, str) and cell.strip()]
    every = len(texts) >= len(column.values[:1000]) - 2  # but for a mark of empty ones
    return every and is_prose(texts)


def _sentences_in(table: RawTable, reading: ReadingOptions) -> str:
    names = list(table.columns)
    if reading.column is not None:
        if reading.column not in names:
            raise unknown_name("column", reading.column, names)
        return reading.column
    found = names if len(names) == 1 else [n for n in names if n.lower() in TEXTS]
    prose = [name for name in names if _is_prose(table.columns[name])]
    found = found if len(found) == 1 else prose
    if len(found) != 1:
        raise DataError(
            f"`column` must say which column of {table.where} has the sentences: "
            f"{', '.join(names)}."
        )
    return found[0]


def _label_in(table: RawTable, reading: ReadingOptions) -> str | None:
    if reading.label is not None:
        if reading.label not in table.columns:
            raise unknown_name("label", reading.label, table.columns)
        return reading.label
    return next((name for name in table.columns if name.lower() in LABELS), None)


def _is_wide(schema: TableSchema, table: RawTable) -> bool:
    """Whether a table is an array: complete numbers, as many as the pixels of an image."""
    numbers = [field for field in schema.fields if field.of_numbers]
    constant = [column for column in schema.left_out if not column.is_id]
    if len(numbers) < len(schema.fields) or schema.missing or schema.stray:
        return False
    width = len(numbers) + len(constant)
    levels = all(isinstance(c, str) and c.isdigit() and int(c) <= 255
                 for f in numbers for c in table.columns[f.name].values)  # fmt: skip
    return width > WIDE or (width >= PIXELS and levels)


def _all_numbers(schema: TableSchema, table: RawTable) -> ReadingOptions:
    """Takes every column for numbers but ids, labels and what is left out as asked."""
    reading = schema.reading
    beside = {column.name for column in schema.left_out if column.is_id or column.why == "as asked"}
    label = schema.labels.name if schema.labels is not None else None
    others = {*beside, label, SPLIT, *reading.named}
    numbers = [name for name in table.columns if name not in others and _has_number(table, name)]
    return replace(reading, numeric=(*reading.numeric, *numbers), id=(*reading.id, *schema.ids))


def _has_number(table: RawTable, name: str) -> bool:
    return any(POINT.number(cell) is not None for cell in table.columns[name].values)


def _require_kind(likelihood: str | None, needed: str, source: RawText, what: str) -> None:
    if likelihood not in (None, needed):
        raise DataError(
            f"`likelihood` must be {needed} for {source.where}, which holds {what}, "
            f"got {likelihood!r}."
        )
