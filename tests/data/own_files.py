# ruff: noqa: E501
"""Files as pandas, Excel, R, cameras, scanners and data hubs leave them, objects of Python too.

Each with what must be said of it.

`python tests/data/own_files.py --output results` writes the page of what was tried.
"""

import argparse
import gzip
import json
import platform
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from PIL import Image
from sklearn.datasets import load_iris

from discretevae.data.months import MONTHS

ROWS = 120
Make = Callable[[Path], Any]
"""Writes a file into a folder and gives its path, or gives an object of Python."""


@dataclass(frozen=True)
class File:
    """A file that somebody has.

    Arguments:
        habit: Whose.
        what: It is.
        make: Writes it into a folder.
        says: What the lines of its schema must hold, each a regular expression.
        refused: What the one line of an error must hold; none where it is to be read.
        shape: Of an observation, where that is decided.
        reading: Options, where the user gives some.
    """

    habit: str
    what: str
    make: Make
    says: tuple[str, ...] = ()
    refused: str | None = None
    shape: tuple[int, ...] | None = None
    reading: dict[str, Any] = field(default_factory=dict)


FILES: list[File] = []


def file(habit: str, what: str, **expected: Any) -> Callable[[Make], Make]:
    """Adds a file that a function makes."""

    def add(make: Make) -> Make:
        FILES.append(File(habit, what, make, **expected))
        return make

    return add


def people(rows: int = ROWS) -> pd.DataFrame:
    """A table of all kinds."""
    rng = np.random.default_rng(1)
    age = rng.integers(18, 90, rows)
    job = rng.choice(["cook", "nurse", "pilot"], rows)
    return pd.DataFrame(
        {
            "age": age,
            "job": job,
            "pay": (30 * age + 900 * (job == "pilot") + rng.normal(0, 50, rows)).round(2),
            "smoker": rng.choice(["no", "yes"], rows),
        }
    )


def text(name: str, content: str, encoding: str = "utf-8") -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode(encoding))
        return path

    return make


# pandas


@file(
    "pandas",
    "to_csv as it stands, with its index",
    says=("4 columns: 2 numbers, 1 category of 3, 1 yes/no", "left out: the index"),
)
def _(folder: Path) -> Path:
    people().to_csv(folder / "t.csv")
    return folder / "t.csv"


@file(
    "pandas",
    "to_csv read and written again, Unnamed: 0",
    says=("4 columns", "left out: .*Unnamed: 0"),
)
def _(folder: Path) -> Path:
    people().to_csv(folder / "t.csv")
    pd.read_csv(folder / "t.csv").to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file(
    "pandas",
    "gaps, NaN, inf and None as text",
    says=("2 numbers", "cells missing", "1 cell of pay"),
)
def _(folder: Path) -> Path:
    frame = people().astype(object)
    frame.loc[3, "age"], frame.loc[4, "job"], frame.loc[5, "pay"] = np.nan, None, np.inf
    frame.to_csv(folder / "t.csv", index=False, na_rep="NaN")
    return folder / "t.csv"


@file(
    "pandas", "sep=';', decimal=',' as Europe has it", says=("2 numbers", "separated by ;", "comma")
)
def _(folder: Path) -> Path:
    people().to_csv(folder / "t.csv", sep=";", decimal=",", index=False)
    return folder / "t.csv"


@file("pandas", "compressed, .csv.gz", says=("4 columns",))
def _(folder: Path) -> Path:
    people().to_csv(folder / "t.csv.gz", index=False)
    return folder / "t.csv.gz"


@file("pandas", "True, False and gaps", says=("1 yes/no", "missing"))
def _(folder: Path) -> Path:
    frame = people()[["age"]].assign(ok=np.random.default_rng(0).choice([True, False, None], ROWS))
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "moments with a time zone", says=("1 date", "when: days since"))
def _(folder: Path) -> Path:
    when = pd.date_range("2021-03-01", periods=ROWS, freq="7h", tz="Europe/Berlin")
    people().assign(when=when).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "spans of time, 1 days 02:00:00", says=("1 time", "span: hours"))
def _(folder: Path) -> Path:
    span = pd.to_timedelta(np.random.default_rng(0).integers(0, 10**6, ROWS), "s")
    people().assign(span=span).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "to_parquet with categories and dates", says=("2 numbers", "1 date", "1 yes/no"))
def _(folder: Path) -> Path:
    frame = people().assign(day=pd.date_range("2020-01-01", periods=ROWS))
    frame["job"] = frame["job"].astype("category")
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@file(
    "pandas",
    "to_parquet with an index of names and a column of lists",
    says=("4 columns", "left out: .*tags"),
)
def _(folder: Path) -> Path:
    frame = people().assign(tags=[["a", "b"]] * ROWS)
    frame.index = pd.Index([f"n{i}" for i in range(ROWS)], name="person")
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@file("pandas", "every cell quoted", says=("2 numbers, 1 category of 3",))
def _(folder: Path) -> Path:
    people().to_csv(folder / "t.csv", index=False, quoting=1)
    return folder / "t.csv"


@file("pandas", "get_dummies: columns of 0 and 1", says=("5 yes/no",))
def _(folder: Path) -> Path:
    pd.get_dummies(people()[["job", "smoker"]]).astype(int).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "agg(): two lines name the columns", says=("72 rows", "1 line of units"))
def _(folder: Path) -> Path:
    frame = people(900).groupby("age").agg({"pay": ["mean", "min"]}).reset_index()
    frame.columns = pd.MultiIndex.from_tuples([("age", "is"), ("pay", "mean"), ("pay", "min")])
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "to_pickle", refused="pickle")
def _(folder: Path) -> Path:
    people().to_pickle(folder / "t.pkl")
    return folder / "t.pkl"


@file("pandas", "to_json(lines=True)", says=("2 numbers, 1 category of 3, 1 yes/no",))
def _(folder: Path) -> Path:
    people().to_json(folder / "t.jsonl", orient="records", lines=True)
    return folder / "t.jsonl"


# Excel


def excel(rows: Sequence[Sequence[str]], sign: str = ",") -> str:
    return "".join(sign.join(row) + "\r\n" for row in rows)


RNG = np.random.default_rng(3)
SALES = [
    [f"{a}", f"{b:.2f}", c]
    for a, b, c in zip(
        RNG.integers(1, 50, ROWS),
        RNG.random(ROWS) * 9000,
        RNG.choice(["north", "south", "east"], ROWS),
        strict=True,
    )
]

FILES += [
    File(
        "Excel",
        "sep=; before the header, decimal commas",
        text(
            "t.csv",
            "sep=;\r\n"
            + excel(
                [["count", "sum", "area"], *([a, b.replace(".", ","), c] for a, b, c in SALES)], ";"
            ),
        ),
        ("2 numbers, 1 category of 3", "comma"),
    ),
    File(
        "Excel",
        "a byte order mark and CRLF",
        text("t.csv", excel([["count", "sum", "area"], *SALES]), "utf-8-sig"),
        ("3 columns: 2 numbers, 1 category of 3",),
    ),
    File(
        "Excel",
        "Unicode text, UTF-16 with tabs",
        text("t.txt", excel([["count", "sum", "area"], *SALES], "\t"), "utf-16"),
        ("2 numbers, 1 category of 3", "UTF-16"),
    ),
    File(
        "Excel",
        "a title and an empty line above the table",
        text(
            "t.csv", excel([["Sales 2024", "", ""], ["", "", ""], ["count", "sum", "area"], *SALES])
        ),
        ("2 numbers, 1 category of 3", "before the table left out"),
    ),
    File(
        "Excel",
        "a line of totals below",
        text("t.csv", excel([["count", "sum", "area"], *SALES, ["", "999999.00", "Total"]])),
        ("1 of 363 cells missing",),
    ),
    File(
        "Excel",
        "thousands and a currency: $1,234.50",
        text(
            "t.csv",
            excel(
                [["count", "sum", "area"], *([a, f'"${float(b):,.2f}"', c] for a, b, c in SALES)]
            ),
        ),
        ("2 numbers, 1 category of 3",),
    ),
    File(
        "Excel",
        "German: 1.234,50 €",
        text(
            "t.csv",
            excel(
                [
                    ["count", "sum", "area"],
                    *(
                        [a, f"{float(b):,.2f}".translate(str.maketrans(",.", ".,")) + " €", c]
                        for a, b, c in SALES
                    ),
                ],
                ";",
            ),
        ),
        ("2 numbers, 1 category of 3",),
    ),
    File(
        "Excel",
        "percent: 12.5%",
        text(
            "t.csv",
            excel([["share", "area"], *([f"{float(b) / 90:.1f}%", c] for _, b, c in SALES)]),
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "Excel",
        "errors in cells: #N/A, #DIV/0!",
        text(
            "t.csv",
            excel(
                [
                    ["count", "sum", "area"],
                    *SALES,
                    ["#N/A", "#DIV/0!", "north"],
                    ["4", "#VALUE!", "#N/A"],
                ]
            ),
        ),
        ("2 numbers, 1 category of 3", "missing"),
    ),
    File(
        "Excel",
        "empty columns and lines around the data",
        text(
            "t.csv",
            excel(
                [
                    ["count", "sum", "area", "", ""],
                    *([*row, "", ""] for row in SALES),
                    ["", "", "", "", ""],
                ]
            ),
        ),
        ("2 numbers, 1 category of 3", "left out"),
    ),
    File(
        "Excel",
        "dates of Europe, 31.12.2024",
        text(
            "t.csv",
            excel(
                [
                    ["day", "sum"],
                    *(
                        [f"{1 + i % 28:02}.{1 + i % 12:02}.2024", b]
                        for i, (_, b, _) in enumerate(SALES)
                    ),
                ],
                ";",
            ),
        ),
        ("1 date", "day: days since"),
    ),
    File(
        "Excel",
        "dates of America, 12/31/2024",
        text(
            "t.csv",
            excel(
                [
                    ["day", "sum"],
                    *([f"{1 + i % 12}/{1 + i % 28}/2024", b] for i, (_, b, _) in enumerate(SALES)),
                ]
            ),
        ),
        ("1 date",),
    ),
    File(
        "Excel",
        "postcodes with leading zeros",
        text(
            "t.csv",
            excel(
                [["zip", "sum"], *([f"{(i * 37) % 40:05}", b] for i, (_, b, _) in enumerate(SALES))]
            ),
        ),
        ("1 category of 40",),
    ),
    File(
        "Excel",
        "1.23E+05",
        text("t.csv", excel([["a", "b"], *([f"{float(b):.2E}", a] for a, b, _ in SALES)])),
        ("2 numbers",),
    ),
]


@file("Excel", "the workbook itself, .xlsx", refused="save the sheet as .csv")
def _(folder: Path) -> Path:
    (folder / "t.xlsx").write_bytes(b"PK\x03\x04" + bytes(99))
    return folder / "t.xlsx"


# R


def r_lines(rows: pd.DataFrame, sign: str, quote: str = '"') -> str:
    names = sign.join(f"{quote}{name}{quote}" for name in rows.columns)
    lines = [
        sign.join(
            [
                f"{quote}{i + 1}{quote}",
                *(
                    f"{quote}{c}{quote}" if isinstance(c, str) and c != "NA" else str(c)
                    for c in row
                ),
            ]
        )
        for i, row in enumerate(rows.itertuples(index=False))
    ]
    return "\n".join([names, *lines]) + "\n"


WITH_NA = people().astype(object).mask(np.random.default_rng(5).random((ROWS, 4)) < 0.05, "NA")

FILES += [
    File(
        "R",
        "write.csv, with row names",
        text("t.csv", '"",' + r_lines(WITH_NA, ",")),
        ("2 numbers, 1 category of 3, 1 yes/no", "missing", "left out: the index"),
    ),
    File(
        "R",
        "write.table: spaces, and no name above the row names",
        text("t.txt", r_lines(WITH_NA, " ")),
        ("2 numbers, 1 category of 3, 1 yes/no", "missing"),
    ),
    File(
        "R",
        "write.csv2",
        text("t.csv", '"";' + re.sub(r"(\d)\.(\d)", r"\1,\2", r_lines(WITH_NA, ";"))),
        ("2 numbers, 1 category of 3, 1 yes/no", "comma"),
    ),
    File(
        "R",
        "TRUE and FALSE",
        text(
            "t.csv",
            "ok,n\n"
            + "".join(f"{('TRUE', 'FALSE', 'NA')[i % 3]},{i % 7}.5\n" for i in range(ROWS)),
        ),
        ("1 yes/no", "missing"),
    ),
    File(
        "R",
        "data(iris), five columns",
        text(
            "iris.csv",
            "".join(
                [
                    "Sepal.Length,Sepal.Width,Petal.Length,Petal.Width,Species\n",
                    *(
                        f"{5 + i % 7 / 10},{3 + i % 5 / 10},{1 + i % 3},{i % 4 / 10},{('setosa', 'virginica')[i % 2]}\n"
                        for i in range(ROWS)
                    ),
                ]
            ),
        ),
        ("4 numbers, 1 yes/no",),
    ),
    File("R", ".RData", lambda folder: text("t.RData", "RDX3\n")(folder), refused="t.RData"),
]


# Hubs: UCI, Kaggle, Hugging Face, Keras


FILES += [
    File(
        "UCI",
        "auto-mpg: spaces in columns, ? for gaps, names in quotes",
        text(
            "auto.data",
            "".join(
                f'{18 + i % 9}.0   {4 + i % 3 * 2}   {300 + i}.0      {"?" if i % 20 == 0 else f"{90 + i}."}      {3504 + i}.      {70 + i % 12}  {1 + i % 3}\t"car {i}"\n'
                for i in range(ROWS)
            ),
        ),
        ("7 numbers", "6 of 840 cells missing", "left out: 8"),
    ),
    File(
        "UCI",
        "adult: no header, ' ?' for gaps",
        text(
            "adult.data",
            "".join(
                f"{20 + i % 50}, {(' ?', 'Private', 'State-gov')[i % 3]}, {10**5 + i * 37}, {('Male', 'Female')[i % 2]}, {('<=50K', '>50K')[i % 7 == 0]}\n"
                for i in range(ROWS)
            ),
        ),
        ("no line names the columns", "2 numbers", "missing"),
    ),
    File(
        "UCI",
        "wine: the class first, no header",
        text(
            "wine.data",
            "".join(
                f"{1 + i % 3},{13 + i % 10 / 10},{1 + i % 7 / 10},{2 + i % 11 / 10}\n"
                for i in range(ROWS)
            ),
        ),
        ("no line names",),
    ),
    File(
        "Kaggle",
        "train.csv of passengers",
        text(
            "train.csv",
            "PassengerId,Survived,Pclass,Name,Sex,Age,Ticket,Cabin,Embarked\n"
            + "".join(
                f'{i + 1},{i % 2},{1 + i % 3},"Doe, Mr. {chr(65 + i % 26)}{i}",{("male", "female")[i % 2]},{"" if i % 5 == 0 else 20 + i % 40},A/5 {i * 7},{"" if i % 4 else f"C{i}"},{("S", "C", "Q")[i % 3]}\n'
                for i in range(ROWS)
            ),
        ),
        ("left out: .*PassengerId", "Name", "missing"),
    ),
    File(
        "Kaggle",
        "digits: label, pixel0 … pixel783",
        text(
            "train.csv",
            "label,"
            + ",".join(f"pixel{i}" for i in range(784))
            + "\n"
            + "".join(
                f"{i % 10},"
                + ",".join(str((i * j * 7) % 256 if 300 < j < 500 else 0) for j in range(784))
                + "\n"
                for i in range(60)
            ),
        ),
        ("784", "labels \\(label\\): 10 classes"),
        shape=(784,),
    ),
    File(
        "Kaggle",
        "sample_submission.csv: an id and one number",
        text("s.csv", "id,target\n" + "".join(f"{i},{i % 9 / 10}\n" for i in range(ROWS))),
        ("1 number", "left out: id"),
    ),
    File(
        "Hugging Face",
        "text and label",
        text(
            "reviews.csv",
            "text,label\n"
            + "".join(
                f'"a {("good", "bad")[i % 2]} film, number {i}",{i % 2}\n' for i in range(ROWS)
            ),
        ),
        ("120 sentences", "labels \\(label\\): 2 classes"),
    ),
    File(
        "Hugging Face",
        "sentiment: -1, 0, 1 and gaps in the label",
        text(
            "s.csv",
            "text,label\n"
            + "".join(
                f'"a {("good", "bad")[i % 2]} film, number {i}",{("", 0, 1, 5)[i % 4]}\n'
                for i in range(ROWS)
            ),
        ),
        ("labels \\(label\\): 3 classes: 0, 1, 5; 30 rows not known",),
    ),
    File(
        "SMS",
        "tabs, and quotes that are text",
        text(
            "sms.tsv",
            "".join(
                f'{("ham", "spam")[i % 2]}\tShe said "ok {i}, then call me later\n'
                for i in range(ROWS)
            ),
        ),
        ("120 sentences", "labels \\(1\\): 2 classes: ham, spam"),
    ),
    File(
        "Project Gutenberg",
        "lines of a book in Windows-1252",
        text(
            "book.txt",
            "".join(
                f"Er fragte: „Warum nicht {i}?“ – und ging über die Brücke.\r\n\r\n"
                for i in range(ROWS)
            ),
            "cp1252",
        ),
        ("120 sentences", "Windows-1252", "empty lines skipped"),
    ),
    File("GitHub", "Markdown, .md", text("README.md", "# A\n\nb\n"), refused="README.md"),
]


@file(
    "Keras",
    "an archive of x_train, y_train, x_test, y_test",
    says=("28×28", "parts as the file has them", "10 classes"),
    shape=(1, 28, 28),
)
def _(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    x = (rng.random((90, 28, 28)) * 255).astype(np.uint8)
    y = rng.permutation(np.arange(90) % 10)
    np.savez(folder / "m.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    return folder / "m.npz"


@file(
    "Hugging Face",
    "a folder of train.csv and test.csv",
    says=("parts as the files have them", "2 numbers"),
)
def _(folder: Path) -> Path:
    (folder / "d").mkdir()
    people(90).to_csv(folder / "d" / "train.csv", index=False)
    people(30).to_csv(folder / "d" / "test.csv", index=False)
    return folder / "d"


@file("MNIST's own", "train-images-idx3-ubyte.gz", refused="idx")
def _(folder: Path) -> Path:
    path = folder / "train-images-idx3-ubyte.gz"
    with gzip.open(path, "wb") as out:
        out.write(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4]) + bytes(32))
    return path


@file("a hub", "the .zip that it sends", refused="unpack")
def _(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "d.zip", "w") as out:
        out.writestr("a.csv", "a,b\n1,2\n")
    return folder / "d.zip"


# Cameras and scanners


def photograph(seed: int, size: tuple[int, int] = (16, 16)) -> Image.Image:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]] / max(size)
    waves = [np.sin(6 * (a * x + b * y) + c) for a, b, c in rng.random((3, 3)) * 3]
    return Image.fromarray(((np.stack(waves, -1) + 1) * 110 + rng.integers(0, 20)).astype(np.uint8))


def folder_of(images: Sequence[Image.Image], names: Callable[[int], str], **save: Any) -> Make:
    def make(folder: Path) -> Path:
        for i, image in enumerate(images):
            path = folder / "photos" / names(i)
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, **save)
        return folder / "photos"

    return make


SOME = [photograph(i) for i in range(24)]

FILES += [
    File(
        "camera",
        "IMG_0001.JPG",
        folder_of(SOME, lambda i: f"IMG_{i:04}.JPG"),
        ("24 colour images of 16×16", "photographs"),
        shape=(3, 16, 16),
    ),
    File(
        "camera",
        "several endings: .jpeg, .tif, .webp, .bmp",
        folder_of(SOME, lambda i: f"{i}.{('jpeg', 'tif', 'webp', 'bmp')[i % 4]}"),
        ("24 colour images",),
    ),
    File(
        "camera",
        "photographs of several sizes",
        folder_of([photograph(i, (16 + 4 * (i % 3), 20)) for i in range(24)], lambda i: f"{i}.png"),
        ("24 colour images of 20×20", "3 sizes .* scaled and cut .*--size"),
    ),
    File(
        "camera",
        "some turned by the orientation in their header",
        folder_of(
            [photograph(i, (20, 16)) for i in range(24)], lambda i: f"{i}.jpg", exif=Image.Exif()
        ),
        ("24 colour images of 20×16",),
    ),
    File(
        "phone",
        "PNG with transparency",
        folder_of([im.convert("RGBA") for im in SOME], lambda i: f"{i}.png"),
        ("24",),
    ),
    File(
        "web",
        "GIF with a palette",
        folder_of([im.convert("P") for im in SOME], lambda i: f"{i}.gif"),
        ("24 colour images",),
    ),
    File(
        "printer",
        "CMYK JPEG",
        folder_of([im.convert("CMYK") for im in SOME], lambda i: f"{i}.jpg"),
        ("24 colour images",),
    ),
    File(
        "scanner",
        "grey, 16 bits",
        folder_of(
            [Image.fromarray(np.asarray(im.convert("L")).astype(np.uint16) * 257) for im in SOME],
            lambda i: f"{i}.png",
        ),
        ("24 grey images", "65535"),
        shape=(1, 16, 16),
    ),
    File(
        "scanner",
        "black and white, 1 bit TIFF",
        folder_of([im.convert("1") for im in SOME], lambda i: f"{i}.tif"),
        ("24 grey images", "values: 0 and 1"),
        shape=(1, 16, 16),
    ),
    File(
        "scanner",
        "grey and colour together",
        folder_of(
            [im.convert("L") if i % 2 else im for i, im in enumerate(SOME)], lambda i: f"{i}.png"
        ),
        ("24 colour images",),
    ),
    File(
        "a class",
        "a folder a class",
        folder_of(SOME, lambda i: f"{('cats', 'dogs')[i % 2]}/{i}.jpg"),
        ("24 colour images", "labels \\(class\\): 2 classes: cats, dogs"),
    ),
    File(
        "ImageNet",
        "train, val and test, a folder a class in each",
        folder_of(
            SOME,
            lambda i: (
                f"{('train', 'train', 'val', 'test')[i // 2 % 4]}/{('cats', 'dogs')[i % 2]}/{i}.jpg"
            ),
        ),
        ("parts as the folders have them", "labels \\(class\\): 2 classes"),
    ),
]


@file(
    "macOS and Windows",
    ".DS_Store, Thumbs.db and a read-me among photographs",
    says=("24 colour images", "passed over: .txt 1", "2 hidden"),
)
def _(folder: Path) -> Path:
    path = folder_of(SOME, lambda i: f"{i}.jpg")(folder)
    for name in (".DS_Store", "Thumbs.db", "readme.txt"):
        (path / name).write_bytes(b"x")
    return path


@file(
    "a disk",
    "one broken photograph among others",
    says=("23 colour images", "left out: 07.jpg that cannot be read"),
)
def _(folder: Path) -> Path:
    path = folder_of(SOME, lambda i: f"{i:02}.jpg")(folder)
    (path / "07.jpg").write_bytes((path / "07.jpg").read_bytes()[:90])
    return path


@file("a disk", "a linked folder of a class", says=("24 colour images", "2 classes"))
def _(folder: Path) -> Path:
    path = folder_of(SOME, lambda i: f"{('cats', 'dogs')[i % 2]}/{i}.jpg")(folder)
    shutil.move(path / "dogs", folder / "elsewhere")
    (path / "dogs").symlink_to(folder / "elsewhere")
    return path


# Arrays


def array(x: np.ndarray) -> Make:
    def make(folder: Path) -> Path:
        np.save(folder / "x.npy", x)
        return folder / "x.npy"

    return make


A = np.random.default_rng(9)
FILES += [
    File(
        "NumPy",
        "photographs, channels last, floats 0 … 255",
        array(np.stack([np.asarray(im) for im in SOME]).astype(np.float64)),
        ("colour images", "255"),
        shape=(3, 16, 16),
    ),
    File(
        "PyTorch",
        "photographs, channels first, 0 … 1",
        array(
            np.stack([np.asarray(im) for im in SOME]).transpose(0, 3, 1, 2).astype(np.float32) / 255
        ),
        ("colour images", "in \\[0, 1\\]"),
        shape=(3, 16, 16),
    ),
    File(
        "PyTorch",
        "normalised photographs, −2 … 2",
        array(
            np.stack([np.asarray(im) for im in SOME]).transpose(0, 3, 1, 2).astype(np.float32) / 60
            - 2
        ),
        ("standardised", "gaussian"),
    ),
    File(
        "satellite",
        "13 bands, 16 bits, channels last",
        array((A.random((24, 8, 8, 13)) * 4000).astype(np.uint16)),
        ("13 channels", "last"),
        shape=(13, 8, 8),
    ),
    File(
        "NumPy",
        "masks, bool",
        array(A.random((40, 12, 12)) < 0.3),
        ("values: 0 and 1", "bernoulli"),
        shape=(1, 12, 12),
    ),
    File(
        "NumPy",
        "sensor readings about 1,000 with NaN",
        array(np.where(A.random((ROWS, 6)) < 0.1, np.nan, A.normal(1000, 3, (ROWS, 6)))),
        ("missing", "columns"),
    ),
    File("NumPy", "counts, int64", array(A.poisson(3, (ROWS, 8))), ("rows of 8 numbers",)),
    File("NumPy", "a vector of labels alone", array(np.arange(30) % 3), refused="dimension"),
    File(
        "NumPy",
        "a spectrogram with one infinite value",
        array(np.where(np.arange(4800).reshape(30, 160) == 77, -np.inf, 1.0 * A.random((30, 160)))),
        refused="infinite",
    ),
    File("NumPy", "complex numbers", array(A.random((30, 4)) + 1j), refused="real numbers"),
    File("MATLAB", ".mat", lambda folder: text("t.mat", "MATLAB 5.0")(folder), refused="loadmat"),
    File(
        "PyTorch",
        "torch.save, .pt",
        lambda folder: text("t.pt", "PK")(folder),
        refused="numpy.save",
    ),
]


# Written by programs and by hand


def table(
    header: str, row: Callable[[int], str], name: str = "t.csv", after: str = "", **how: Any
) -> Make:
    """A table in text, line by line."""
    return text(name, "".join([header, *(row(i) + "\n" for i in range(ROWS)), after]), **how)


MONEY = np.random.default_rng(11).normal(0, 2000, ROWS).round(2).tolist()
KINDS = np.random.default_rng(12).choice(["cook", "nurse", "pilot"], ROWS).tolist()


def line(i: int) -> str:
    """A sentence."""
    return f"the cat {i} sat on the mat with {('me', 'you', 'them')[i % 3]}"


FILES += [
    File(
        "Excel",
        "bookkeeping: (1,234.50) is below zero",
        table(
            "sum,job\n",
            lambda i: (
                f'"{f"({-MONEY[i]:,.2f})" if MONEY[i] < 0 else f"{MONEY[i]:,.2f}"}",{KINDS[i]}'
            ),
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "Excel",
        "-$5.00 and $5.00",
        table("sum,job\n", lambda i: f'"{"-" * (MONEY[i] < 0)}${abs(MONEY[i]):,.2f}",{KINDS[i]}'),
        ("1 number, 1 category of 3",),
    ),
    File(
        "Excel",
        "three decimals beside thousands: 1,234.567",
        table("sum,job\n", lambda i: f'"{1000 * MONEY[i] / 7:,.3f}",{KINDS[i]}'),
        ("1 number, 1 category of 3",),
    ),
    File(
        "SAP",
        "1.234,50- is below zero",
        table(
            "sum;job\n",
            lambda i: (
                f"{abs(MONEY[i]):,.2f}".translate(str.maketrans(",.", ".,"))
                + f"{'-' * (MONEY[i] < 0)};{KINDS[i]}"
            ),
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "India",
        "₹12,34,567",
        table(
            "sum,job\n",
            lambda i: f'"₹{1 + i % 30},{10 + i * 7 % 90},{100 + i * 13 % 900}",{KINDS[i]}',
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "Switzerland",
        "1’234.50, and CHF before it",
        table(
            "sum;fee\n",
            lambda i: f"{abs(MONEY[i]) + 10**4:,.2f};CHF {abs(MONEY[i]):,.2f}".replace(",", "’"),
        ),
        ("2 numbers",),
    ),
    File(
        "Poland",
        "1 234,50 zł",
        table(
            "sum;job\n",
            lambda i: f"{abs(MONEY[i]) + 10**4:,.2f} zł;{KINDS[i]}".replace(",", " ").replace(
                ".", ","
            ),
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "a kitchen",
        "12.5 kg, 20 °C: a unit after each number",
        table("mass,heat\n", lambda i: f"{abs(MONEY[i]) / 100:.1f} kg,{i * 7 % 31 - 9} °C"),
        ("2 numbers",),
    ),
    File(
        "Wikipedia",
        "−5.2 with a true minus",
        table("a\tjob\n", lambda i: f"{MONEY[i]}\t{KINDS[i]}".replace("-", "−"), "t.tsv"),
        ("1 number, 1 category of 3",),
    ),
    File(
        "MySQL and IMDb",
        "\\\\N where there is nothing",
        table(
            "a\tjob\tyear\n",
            lambda i: (
                f"{MONEY[i] if i % 9 else chr(92) + 'N'}\t{KINDS[i] if i % 7 else chr(92) + 'N'}\t{1990 + i % 30}"
            ),
            "t.tsv",
        ),
        ("2 numbers, 1 category of 3", "32 of 360 cells missing"),
    ),
    File(
        "MySQL",
        "quotes within cells escaped by a backslash",
        table("n,said\n", lambda i: f'{i % 9},"say \\"hi\\", {KINDS[i]}"'),
        ("1 number, 1 category of 3",),
    ),
    File(
        "psql",
        "columns with |, a rule below the names, (120 rows) at the end",
        table(
            "  sum  |  job  \n-------+-------\n",
            lambda i: f" {MONEY[i]} | {KINDS[i]}",
            after="(120 rows)\n\n",
        ),
        ("1 number, 1 category of 3", "1 line of comments or rules", "1 line after the table"),
    ),
    File(
        "SQL Developer",
        "(null)",
        table("a,job\n", lambda i: f"{MONEY[i] if i % 9 else '(null)'},{KINDS[i]}"),
        ("14 of 240 cells missing",),
    ),
    File(
        "a data logger",
        "a comma at the end of each line, none below the names",
        table("id,age,sex\n", lambda i: f"P{i:03},{20 + i % 50},{'mf'[i % 2]},"),
        ("120 rows, 3 columns", "1 number, 1 yes/no", "left out: id", "the , at the end"),
    ),
    File(
        "a weather station",
        "# lines above, between and below, with commas in them",
        table(
            "# station, 7\n# mm, words\nrain,job\n",
            lambda i: f"{MONEY[i]},{KINDS[i]}" + "\n# a gap" * (i % 50 == 7),
            after="# the end\n",
        ),
        ("120 rows, 2 columns", "1 number, 1 category of 3", "4 lines of comments"),
    ),
    File(
        "NumPy",
        "savetxt(header=…): the names after #",
        table("# rain job\n", lambda i: f"{MONEY[i]:.4e} {i % 7:.4e}", "t.txt"),
        ("120 rows, 2 columns", "2 numbers"),
    ),
    File(
        "an office",
        "footnotes below the table",
        table(
            "sum,job,n\n",
            lambda i: f"{MONEY[i]},{KINDS[i]},{i % 9}",
            after="\nSource: the office, 2024\nNote 1: rounded\n",
        ),
        ("120 rows, 3 columns", "2 lines after the table"),
    ),
    File(
        "a script",
        "last empty cells left away",
        table("a,b,c\n", lambda i: f"{i % 17},{i % 3}" + f",{i % 5}" * (i % 3 > 0)),
        ("120 rows, 3 columns", "40 of 360 cells missing", "40 lines with fewer cells"),
    ),
    File(
        "a typist",
        "one quote that is opened and never closed",
        table("n,job\n", lambda i: f"{i % 9},{chr(34) * (i == 50)}{KINDS[i]}"),
        ("120 rows, 2 columns", "quotes that are not closed"),
    ),
    File(
        "Germany",
        "one column, decimal commas",
        table("x\n", lambda i: f"{MONEY[i]}".replace(".", ",")),
        ("120 rows, 1 column", "1 number", "comma"),
    ),
    File(
        "a survey",
        "one column of answers with commas and no quotes",
        table("text\n", lambda i: f"{line(i)}, and then" + ", home" * (i % 3)),
        ("120 sentences", "sentences: text"),
    ),
    File(
        "a survey",
        "1 … 5, and 99 or -9 for no answer",
        table(
            "q1,q2\n", lambda i: f"{(1, 2, 3, 4, 5, 99)[i * 7 % 6]},{(1, 2, 4, 5, -9)[i * 3 % 5]}"
        ),
        ("2 numbers", "perhaps missing: 99 in q1, -9 in q2 \\(--na-values=q1=99,q2=-9\\)"),
    ),
    File(
        "a laboratory",
        "units below the names",
        table("sample,mass,speed\n,kg,(m/s)\n", lambda i: f"{KINDS[i]},{MONEY[i]},{i * 7 % 13}"),
        ("120 rows, 3 columns", "1 category of 3, 2 numbers", "1 line of units"),
    ),
    File(
        "Germany",
        "3. März 2024",
        table(
            "day,job\n",
            lambda i: f"{i % 28 + 1}. {MONTHS['de'][i % 12]} {2020 + i % 4},{KINDS[i]}",
        ),
        ("1 date, 1 category of 3",),
    ),
    File(
        "a finance portal",
        "1.2K, 3M and 4.5bn",
        table(
            "value,job\n",
            lambda i: f"{i % 9 + 1.5}{('K', 'M', 'bn', '')[i % 4]},{KINDS[i]}",
        ),
        ("1 number, 1 category of 3",),
    ),
    File(
        "a laboratory",
        "<0.1 below what can be seen",
        table(
            "pb,job\n", lambda i: f"{'<0.1' if i % 4 == 0 else round(abs(MONEY[i]), 1)},{KINDS[i]}"
        ),
        ("1 number", "30 cells of pb: not a finite number, as missing"),
    ),
    File(
        "a form",
        "x where a box is ticked",
        table("a,ok\n", lambda i: f"{i % 17},{'x' if i % 3 else ''}"),
        ("left out: ok \\('x' or nothing in every row",),
    ),
    File(
        "a clock",
        "14:30",
        table("at,job\n", lambda i: f"{i * 7 % 24:02}:{i * 13 % 60:02},{KINDS[i]}"),
        ("1 time", "at: hours"),
    ),
    File(
        "a clock",
        "2:30 PM",
        table("at,job\n", lambda i: f"{1 + i * 7 % 12}:{i * 13 % 60:02} {'AP'[i % 2]}M,{KINDS[i]}"),
        ("1 time",),
    ),
    File(
        "UCI",
        "air quality: 10/03/2004;18.00.00;2,6;; and -200 for gaps",
        table(
            "Date;Time;CO;T;;\n",
            lambda i: (
                f"{1 + i % 28:02}/03/2004;{i % 24:02}.00.00;{-200 if i % 9 == 0 else i % 7},0;{i % 30},6;;"
            ),
            after=";;;;;\n",
        ),
        ("1 date, 1 time, 2 numbers", "column 5 \\(no cell\\)", "-200 in CO"),
    ),
    File(
        "a bank",
        "20240131",
        table("day,job\n", lambda i: f"2024{1 + i % 12:02}{1 + i % 28:02},{KINDS[i]}"),
        ("1 date",),
    ),
    File(
        "statistics",
        "2024Q1",
        table("q,x\n", lambda i: f"{1990 + i // 4}Q{1 + i % 4},{MONEY[i]}"),
        ("1 date",),
    ),
    File(
        "Excel",
        "Jan-24",
        table(
            "m,x\n",
            lambda i: f"{('Jan', 'Feb', 'Mar', 'Apr')[i % 4]}-{10 + i // 4 % 15},{MONEY[i]}",
        ),
        ("1 date",),
    ),
    File(
        "Twitter",
        "Wed Oct 10 20:19:24 +0000 2018",
        table(
            "t,x\n", lambda i: f"Wed Oct {1 + i % 28:02} 20:{i % 60:02}:24 +0000 2018,{MONEY[i]}"
        ),
        ("1 date",),
    ),
    File(
        "a server",
        "12/31/2024 23:59:59.123",
        table(
            "t,x\n",
            lambda i: f"{1 + i % 12:02}/{1 + i % 28:02}/2024 {i % 24:02}:00:00.{i:03},{MONEY[i]}",
        ),
        ("1 date",),
    ),
    File(
        "a ministry",
        "years name all columns",
        table("2019,2020,2021\n", lambda i: f"{i % 17},{i % 3},{i % 5}"),
        ("120 rows, 3 columns", "2019 … 2021"),
    ),
    File(
        "a regression",
        "a target called label, with fractions",
        table("a,label\n", lambda i: f"{i % 17},{MONEY[i]}"),
        ("2 numbers",),
    ),
    File(
        "a Mac of long ago",
        "lines that end with CR",
        text("t.csv", "a,job\r" + "".join(f"{i % 17},{KINDS[i]}\r" for i in range(ROWS))),
        ("1 number, 1 category of 3",),
    ),
    File(
        "Windows",
        "UTF-16 without its mark",
        table("a,job\n", lambda i: f"{i % 17},{KINDS[i]}", encoding="utf-16-le"),
        ("1 number, 1 category of 3", "UTF-16"),
    ),
    File(
        "Japan",
        "Shift-JIS",
        table(
            "名前,値\n",
            lambda i: f"{('東京', '大阪', '表示')[i % 3]},{i % 7}",
            encoding="shift_jis",
        ),
        refused="save it with that encoding",
    ),
    File(
        "git",
        "a pointer of LFS in place of the file",
        text("t.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
        refused="git lfs pull",
    ),
    File(
        "a browser",
        "a page that says 404",
        text("t.csv", "<!DOCTYPE html>\n<html><body>Not found, sorry</body></html>\n"),
        refused="web page",
    ),
    File(
        "Excel",
        "a workbook that is called .csv",
        lambda folder: Path(
            shutil.copy(text("a", "PK\x03\x04 and more")(folder), folder / "t.csv")
        ),
        refused="workbook",
    ),
    File(
        "a download",
        "JSON that is called .csv",
        text("t.csv", '[\n {"a": 1},\n {"a": 2}\n]\n'),
        refused="call it .json",
    ),
    File("Weka", ".arff", text("t.arff", "@relation t\n"), refused="loadarff"),
    File("Stata and SPSS", ".dta, .sav", text("t.sav", "x"), refused="read_spss"),
    File(
        "LJ Speech",
        "id|sentence, no header",
        table("", lambda i: f"LJ{i:03}|{line(i)}", "t.txt"),
        ("120 sentences",),
    ),
    File(
        "Tatoeba",
        "two languages with a tab",
        table("", lambda i: f"{line(i)}\tle chat {i} est assis là", "t.txt"),
        refused="--column 1",
    ),
    File(
        "a novel",
        "each line with one semicolon",
        table("", lambda i: f"{line(i)}; and then {line(i + 1)}", "t.txt"),
        ("120 sentences",),
    ),
    File(
        "a chat",
        "emoji, Hebrew, Arabic",
        table("", lambda i: f"שלום {i} مرحبا 👩‍👩‍👧 🇩🇪", "t.txt"),
        ("120 sentences",),
    ),
    File(
        "Hugging Face",
        "JSON lines of text and label",
        table("", lambda i: json.dumps({"text": line(i), "label": i % 2}), "t.jsonl"),
        ("120 sentences", "2 classes: 0, 1"),
    ),
    File(
        "a service",
        "JSON: records in records beside a count",
        text(
            "t.json",
            json.dumps(
                {
                    "count": ROWS,
                    "results": [
                        {"v": i % 7, "tags": [1], "user": {"sex": "mf"[i % 2]}} for i in range(ROWS)
                    ],
                }
            ),
        ),
        ("1 number, 1 yes/no", "left out: tags"),
    ),
    File(
        "pandas",
        "to_json()",
        text("t.json", people().to_json()),
        ("2 numbers, 1 category of 3, 1 yes/no",),
    ),
    File("a program", "JSON cut off", text("t.json", '{"a": [1, 2,'), refused="must be JSON"),
    File(
        "a program",
        "a damaged line among 200 of JSON",
        text(
            "t.jsonl",
            "".join(
                '{"a": 1,\n' if i == 5 else json.dumps({"a": i % 7, "b": "xy"[i % 2]}) + "\n"
                for i in range(200)
            ),
        ),
        ("199 rows", "1 damaged line"),
    ),
]


FILES += [
    File(
        "a mainframe",
        "cells separated by ^, as --delimiter says",
        table("sum^job\n", lambda i: f"{MONEY[i]}^{KINDS[i]}"),
        ("1 number, 1 category of 3",),
        reading={"delimiter": "^"},
    ),
    File(
        "cat",
        "two files one after the other, each with its names",
        table("sum,job\n", lambda i: "sum,job\n" * (i == 60) + f"{MONEY[i]},{KINDS[i]}"),
        ("120 rows, 2 columns", "1 line with the names of the columns again"),
    ),
    File(
        "Excel",
        "a second table below the first",
        table("a,b,c\n", lambda i: f"{i % 7},{i},{KINDS[i]}" if i < 60 else f"{i},{i % 5}"),
        refused="line 62: must have 3 cells, got 2",
    ),
    File(
        "LendingClub",
        "1 year, 2 years, …",
        table("work,sum\n", lambda i: f"{1 + i % 10} year{'s' * (i % 10 > 0)},{MONEY[i]}"),
        ("2 numbers",),
    ),
]


def files_in(folder: Path, made: dict[str, str | bytes | Callable[[Path], Any]]) -> Path:
    """A folder with files."""
    for name, content in made.items():
        path = folder / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "d"


@file("Hugging Face", "shards: train-00000-of-00002.parquet", says=("train 240, test 120",))
def _(folder: Path) -> Path:
    names = ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")
    return files_in(folder, {f"{name}.parquet": people().to_parquet for name in names})


@file(
    "Kaggle",
    "an unpacked folder with one table and a read-me",
    says=("120 rows", "1 other passed over"),
)
def _(folder: Path) -> Path:
    return files_in(folder, {"data.csv": people().to_csv(index=False), "README.txt": "x"})


@file("an office", "a folder of jan.csv and feb.csv", refused="give one of them")
def _(folder: Path) -> Path:
    csv = people().to_csv(index=False)
    return files_in(folder, {"jan.csv": csv, "feb.csv": csv})


@file("iPhone", "nothing but .HEIC", refused="none, but .heic 2")
def _(folder: Path) -> Path:
    return files_in(folder, {"a.HEIC": b"x", "b.HEIC": b"x"})


@file(
    "pandas",
    "to_parquet with an index of dates, spans, times and decimals",
    says=("3 numbers|2 numbers", "2 times", "left out: the index"),
)
def _(folder: Path) -> Path:
    frame = people().assign(
        span=pd.to_timedelta(np.arange(ROWS) * 77, "s"),
        at=[time(i % 24, i % 60) for i in range(ROWS)],
        fee=[Decimal(i) / 4 for i in range(ROWS)],
    )
    frame.index = pd.date_range("2024-01-01", periods=ROWS, freq="7h")
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@file(
    "an embedder",
    "ids and vectors in Parquet",
    says=("120 rows of 8 numbers", "rows of numbers: emb"),
    shape=(8,),
)
def _(folder: Path) -> Path:
    vectors = list(np.random.default_rng(0).normal(size=(ROWS, 8)))
    pd.DataFrame({"id": np.arange(ROWS), "emb": vectors}).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@file("Hugging Face", "images as bytes in Parquet", refused="image: lists or objects")
def _(folder: Path) -> Path:
    images = [{"bytes": b"x", "path": "a.png"}] * ROWS
    pd.DataFrame({"image": images, "label": np.arange(ROWS) % 2}).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@file("PyTorch", "a folder of train alone, a folder a class in it", says=("2 classes: cats, dogs",))
def _(folder: Path) -> Path:
    return folder_of(SOME, lambda i: f"train/{('cats', 'dogs')[i % 2]}/{i}.png")(folder)


@file(
    "a disk",
    "an empty file and a link that leads nowhere",
    says=("24 colour images", "left out: .* and 1 more"),
)
def _(folder: Path) -> Path:
    path = folder_of(SOME, lambda i: f"{i}.png")(folder)
    (path / "z.png").touch()
    (path / "link.png").symlink_to(folder / "nowhere")
    return path


@file(
    "scanner",
    "16 bits and 8 bits of grey together",
    says=("24 grey images", "65535", "photographs", "several kinds"),
)
def _(folder: Path) -> Path:
    grey = [np.asarray(im.convert("L")) for im in SOME]
    images = [
        Image.fromarray(g if i % 3 == 0 else g.astype(np.uint16) * 257) for i, g in enumerate(grey)
    ]
    return folder_of(images, lambda i: f"{i}.png")(folder)


def archive(**arrays: np.ndarray) -> Make:
    def make(folder: Path) -> Path:
        np.savez(folder / "m.npz", **arrays)
        return folder / "m.npz"

    return make


FILES += [
    File(
        "MedMNIST",
        "train_labels of shape (n, 1)",
        archive(
            **{
                f"{part}_{name}": array
                for part in ("train", "val", "test")
                for name, array in (
                    ("images", (A.random((40, 8, 8)) * 255).astype(np.uint8)),
                    ("labels", (np.arange(40) % 3)[:, None]),
                )
            }
        ),
        ("120 grey images", "3 classes"),
    ),
    File(
        "Keras",
        "labels of one 1 a row",
        archive(x=A.random((60, 4)), y=np.eye(3)[np.arange(60) % 3]),
        ("3 classes: 0, 1, 2",),
    ),
    File(
        "scikit-learn",
        "data and target",
        archive(data=A.random((60, 4)), target=np.arange(60) % 3),
        ("labels \\(target\\): 3 classes",),
    ),
    File(
        "SciPy",
        "save_npz: a sparse matrix",
        archive(
            data=A.random(9),
            indices=np.arange(9),
            indptr=np.arange(10),
            format=np.array(b"csr"),
            shape=np.array([9, 9]),
        ),
        refused="toarray",
    ),
    File(
        "NumPy",
        "a structured array",
        array(np.array([(i % 7, KINDS[i]) for i in range(ROWS)], [("a", "i4"), ("job", "U8")])),
        ("1 number, 1 category of 3",),
    ),
    File(
        "NumPy",
        "float16, Fortran order",
        array(np.asfortranarray(A.normal(size=(ROWS, 5)).astype(np.float16))),
        ("rows of 5 numbers",),
    ),
]


# Objects of Python


def given(make: Callable[[], Any]) -> Make:
    return lambda _: make()


class Pairs(torch.utils.data.Dataset):
    """A dataset of what a function makes."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 24

    def __getitem__(self, row: int) -> Any:
        return self.make(row)


def tensors(*more: torch.Tensor) -> torch.utils.data.TensorDataset:
    return torch.utils.data.TensorDataset(torch.arange(180.0).reshape(60, 3), *more)


FILES += [
    File("pandas", "a Series", given(lambda: people()["pay"]), ("1 number",)),
    File(
        "pandas",
        "a Series of texts",
        given(lambda: pd.Series([line(i) for i in range(ROWS)])),
        ("120 sentences",),
    ),
    File(
        "pandas",
        "a slice with its own index",
        given(lambda: people()[people().age > 40]),
        ("2 numbers, 1 category of 3, 1 yes/no", "left out: the index"),
    ),
    File(
        "pandas",
        "columns of two levels",
        given(lambda: people().groupby("age").agg({"pay": ["mean", "min"]})),
        ("3 numbers",),
    ),
    File(
        "pandas",
        "Int64, boolean and string with gaps",
        given(
            lambda: pd.DataFrame(
                {
                    "i": pd.array([1, 2, None, 4] * 15, "Int64"),
                    "b": pd.array([True, None, False, True] * 15, "boolean"),
                    "s": pd.array(["a", None, "b", "c"] * 15, "string"),
                }
            )
        ),
        ("1 number, 1 yes/no, 1 category of 3", "45 of 180 cells missing"),
    ),
    File(
        "pandas",
        "a pair of a frame and a Series",
        given(lambda: (people()[["age", "pay"]], people()["job"])),
        ("2 numbers", "3 classes: cook, nurse, pilot"),
    ),
    File("scikit-learn", "load_iris()", given(load_iris), ("150 rows of 4 numbers", "3 classes")),
    File(
        "SciPy",
        "a sparse matrix",
        given(lambda: scipy.sparse.random(60, 5, 0.3, format="csr", random_state=0)),
        ("60 rows of 5 numbers",),
    ),
    File(
        "NumPy",
        "a masked array",
        given(lambda: np.ma.masked_greater(np.arange(180.0).reshape(60, 3) % 17, 14)),
        ("some missing",),
    ),
    File(
        "NumPy",
        "objects, some of them None",
        given(lambda: np.array([[1, None], [2, 3.5]] * 20, object)),
        ("some missing",),
    ),
    File(
        "Python",
        "a list of dicts",
        given(lambda: people().to_dict("records")),
        ("2 numbers, 1 category of 3, 1 yes/no",),
    ),
    File(
        "Python",
        "a dict of lists",
        given(lambda: people().to_dict("list")),
        ("2 numbers, 1 category of 3, 1 yes/no",),
    ),
    File(
        "Python",
        "a dict of images and labels",
        given(lambda: {"images": A.random((30, 8, 8)), "labels": np.arange(30) % 2}),
        ("30 grey images", "2 classes"),
    ),
    File(
        "PyTorch",
        "a DataLoader that shuffles and drops the last",
        given(
            lambda: torch.utils.data.DataLoader(
                tensors(torch.arange(60) % 2), 7, shuffle=True, drop_last=True
            )
        ),
        ("60 rows", "in the order of its dataset", "2 classes"),
    ),
    File(
        "PyTorch",
        "labels of one 1 a row",
        given(lambda: tensors(torch.eye(2).repeat(30, 1))),
        ("2 classes: 0, 1",),
    ),
    File(
        "PyTorch",
        "a third tensor",
        given(lambda: tensors(torch.arange(60) % 2, torch.rand(60, 2))),
        ("left out: entry 2 of each batch",),
    ),
    File(
        "torchvision",
        "a dataset of pictures, not yet tensors",
        given(lambda: Pairs(lambda i: (SOME[i], i % 2))),
        ("24 colour images", "2 classes"),
    ),
    File(
        "Hugging Face",
        "a dataset of dicts",
        given(
            lambda: Pairs(
                lambda i: {"pixel_values": torch.full((1, 8, 8), i / 24), "labels": i % 2}
            )
        ),
        ("24 grey images", "2 classes"),
    ),
    File(
        "PyTorch",
        "a dataset of images of several sizes",
        given(lambda: Pairs(lambda i: torch.rand(1, 8 + i % 2, 8))),
        refused="one shape",
    ),
    File(
        "PyTorch",
        "a sparse tensor",
        given(lambda: torch.eye(10).to_sparse()),
        ("10 rows of 10 numbers",),
    ),
    File(
        "PyTorch",
        "a tensor without values",
        given(lambda: torch.zeros(5, 2, device="meta")),
        refused="meta",
    ),
    File(
        "Python",
        "three arrays",
        given(lambda: (np.eye(3), np.eye(3), np.eye(3))),
        refused="a pair of observations and labels",
    ),
    File("Python", "a generator", given(lambda: (x for x in range(3))), refused="got generator"),
]


def judged(one: File) -> tuple[bool, str]:
    """Reads a file, and tells whether what was said is what must be, and what was said."""
    from discretevae.data import DataError, ReadingOptions, load

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = one.make(Path(folder))
        try:
            data = load(path, reading=ReadingOptions(**one.reading))
        except DataError as error:
            said = str(error).replace(f"{folder}/", "")
            good = one.refused is not None and bool(re.search(one.refused, said))
            return good and "\n" not in said, said
        assert data.schema is not None
        lines = data.schema.lines()
        said = " / ".join(lines)
        good = one.refused is None and all(re.search(part, said) for part in one.says)
        good &= one.shape in (None, data.shape) and len(lines) <= 12
        return good and _is_the_same_alone(data.schema, path), said


def _is_the_same_alone(schema: Any, path: Path) -> bool:
    """Whether rows read again by what was learned are what they were, one by one too."""
    import torch

    from discretevae.data import open_source, read_by

    whole = read_by(schema, path).examples
    source = open_source(path, schema=schema)
    alone = [schema.read(_row(source, row)).examples.x[0] for row in (0, len(whole) // 2)]
    expected = whole.x[[0, len(whole) // 2]]
    return torch.allclose(torch.stack(alone), expected, equal_nan=True, rtol=0, atol=0)


def _row(source: Any, row: int) -> Any:
    from dataclasses import replace

    from discretevae.data.formats.raw import RawColumn, RawTable
    from discretevae.data.formats.raw_array import RawArray

    def cut(column: Any) -> Any:
        return RawColumn(column.name, [column.cells([row])[0]], np.zeros(1, np.int32))

    if isinstance(source, RawTable):
        columns = {name: cut(column) for name, column in source.columns.items()}
        return replace(source, columns=columns, lines=None)
    if isinstance(source, RawArray):
        return replace(
            source, x=source.x[row : row + 1], labels=None, beside={}, parts=None, context=None
        )
    return replace(
        source,
        texts=source.texts[row : row + 1],
        lines=source.lines[row : row + 1],
        labels=None,
        beside={},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = []
    for one in FILES:
        good, said = judged(one)
        found.append({"habit": one.habit, "what": one.what, "good": good, "said": said})
        print("ok    " if good else "WRONG ", f"{one.habit}: {one.what}\n        {said}")
    wrong = sum(not row["good"] for row in found)
    print(f"{len(found)} files, {wrong} wrong")
    if given.output is not None:
        _write(given.output, found, wrong)
    sys.exit(wrong > 0)


def _write(folder: Path, found: list[dict[str, Any]], wrong: int) -> None:
    record = {"machine": platform.machine(), "python": platform.python_version(), "files": found}
    (folder / "own_data.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    rows = [
        f"| {row['habit']} | {row['what']} | {'as wanted' if row['good'] else '**wrong**'} "
        f"| {str(row['said']).replace('|', chr(92) + '|')} |"
        for row in found
    ]
    refused = sum(one.refused is not None for one in FILES)
    lines = [
        "# Files that nobody prepared",
        "",
        f"{len(found)} files as pandas, Excel, R, cameras, scanners and data hubs leave them, and "
        "objects of Python, "
        f"each read with no option but where the table names one: {len(found) - wrong} as a user would want, {wrong} not. "
        f"{refused} of them cannot be read and must be refused in one line that says what to do. "
        "Of each that is read, its rows are read again by what was learned, two of them alone: "
        "to the bit the same.",
        "",
        "`python tests/data/own_files.py --output results`; nothing random but fixed seeds. The "
        "files of `tests/data/test_own_data.py` and `tests/cli/test_own_data.py`, made from reports "
        "of users, are tried besides, with the commands that follow training.",
        "",
        "| whose habit | file | | what is said |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    (folder / "own_data.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
