"""Names of a stranger's: of files, folders, classes, columns and categories."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from attack import Attack, Stage
from children import Outcome
from scenes import SMALL

__all__ = ["NAMES"]

FORMULA = "=cmd|' /C calc'!A0"
SMALLER = tuple(word for word in SMALL if word not in ("--network", "mlp", "--widths", "16"))


def _images_of(*classes: str) -> Callable[[Stage], list[str]]:
    """Folders of images, whose names are those of the classes."""

    def prepare(stage: Stage) -> list[str]:
        from PIL import Image

        dice = np.random.default_rng(0)
        for name in (*classes, "other"):
            folder = stage.folder / "images" / name
            folder.mkdir(parents=True)
            for i in range(12):
                pixels = dice.integers(0, 2, (8, 8)) * 255
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
        return _train(stage, stage.folder / "images", "--condition", "labels")

    return prepare


def _train(stage: Stage, path: Path, *options: str) -> list[str]:
    output = ("--output", str(stage.out / "run"))
    return ["train", str(path), *SMALLER, "--epochs", "1", *options, *output]


def _file_named(name: str) -> Callable[[Stage], list[str]]:
    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / f"{name}.csv"
        path.write_text("a,b,c\n" + "1,0,1\n0,1,0\n" * 12)
        return _train(stage, path)

    return prepare


def _column_named(name: str) -> Callable[[Stage], list[str]]:
    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / "table.csv"
        with path.open("w", newline="") as file:
            rows = [[name, "job"], *([i % 5, ("cook", name)[i % 2]] for i in range(40))]
            csv.writer(file).writerows(rows)
        return _train(stage, path, "--likelihood", "columns")

    return prepare


def _has_a_report(stage: Stage, outcome: Outcome) -> str | None:
    page = stage.out / "run" / "report.html"
    if not page.exists():
        return "no report was written"
    for sign in ("<script>alert", "<img src=x", "\x1b", "\u202e"):
        if sign in page.read_text("utf-8"):
            return f"{sign!r} is in the report"
    return None


def _sampled(stage: Stage) -> list[str]:
    """Samples of a table whose categories a spreadsheet would run."""
    path = stage.folder / "table.csv"
    with path.open("w", newline="") as file:
        rows = [[FORMULA, "job"], *([i % 5, ("+1+cmd", FORMULA)[i % 2]] for i in range(40))]
        csv.writer(file).writerows(rows)
    run = stage.folder / "table-run"
    words = ("--likelihood", "columns", "--epochs", "1", "--output", str(run))
    stage.scene.do(["train", str(path), *SMALLER, *words])
    return ["sample", str(run), "--count", "5", "--output", str(stage.out / "s.csv")]


def _runs_nothing(stage: Stage, outcome: Outcome) -> str | None:
    with (stage.out / "s.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    bad = [cell for cell in cells if cell[:1] in "=+-@\t\r" and not cell.lstrip("+-")[:1].isdigit()]
    return f"{bad[0]!r} is in a table" if bad else None


MEAN = {
    "a formula that has no end": r"$\frac{$",
    "two formulas": r"$\undefined$ $x^{$",
    "escape codes": "\x1b[2J\x1b]0;title\x07",
    "a line end": "two\nlines",
    "markup": "<img src=x onerror=alert(1)>",
    "Markdown": "[free](http:x) ![p](data:x)",
    "what turns the line round": "a\u202etxt.exe",
    "a spreadsheet's formula": FORMULA.replace("/", "-"),
    "two hundred letters": "x" * 200,
}

NAMES = (
    *(
        Attack("name", f"of a class: {what}", _images_of(name), False, _has_a_report)
        for what, name in MEAN.items()
    ),
    *(
        Attack("name", f"of a file: {what}", _file_named(name), False, _has_a_report)
        for what, name in MEAN.items()
    ),
    *(
        Attack("name", f"of a column: {what}", _column_named(name), False, _has_a_report)
        for what, name in MEAN.items()
    ),
    Attack("name", "of a category, in samples", _sampled, False, _runs_nothing),
)
