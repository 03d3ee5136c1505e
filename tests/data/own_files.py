# ruff: noqa: E501
"""Files as pandas, Excel, R, cameras, scanners and data hubs leave them, and what must be said.

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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

ROWS = 120
Make = Callable[[Path], Path]


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


@file("pandas", "spans of time, 1 days 02:00:00", says=("left out: span",))
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


@file("pandas", "agg(): two lines name the columns", says=("1 cell of age: not a finite number",))
def _(folder: Path) -> Path:
    frame = people(900).groupby("age").agg({"pay": ["mean", "min"]}).reset_index()
    frame.columns = pd.MultiIndex.from_tuples([("age", "is"), ("pay", "mean"), ("pay", "min")])
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@file("pandas", "to_pickle", refused="pickle")
def _(folder: Path) -> Path:
    people().to_pickle(folder / "t.pkl")
    return folder / "t.pkl"


@file("pandas", "to_json(lines=True)", refused="to_csv")
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
        f"{len(found)} files as pandas, Excel, R, cameras, scanners and data hubs leave them, "
        f"each read with no option: {len(found) - wrong} as a user would want, {wrong} not. "
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
