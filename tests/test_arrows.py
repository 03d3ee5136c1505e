"""Imports, also those inside functions, point downwards in the table of CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "discretevae"
NOT_IN_MODELS = {"lightning", "matplotlib", "sklearn", "pandas", "rich"}


def rooms() -> dict[str, int]:
    """The rooms of the table, and the row of each."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("| room | what |\n|---|---|\n")[1]
    rows = table.split("\n\n")[0].splitlines()
    names = [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows]
    return {name.removesuffix(".py").rstrip("/"): i for i, row in enumerate(names) for name in row}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module, and the room that it is in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imported(path: Path) -> Iterator[list[str]]:
    """What a module imports, as the parts of a full name."""
    package = ("discretevae", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = list(package[: len(package) + 1 - node.level]) if node.level else []
            source = start + (node.module.split(".") if node.module else [])
            yield from ([*source, alias.name] for alias in node.names)


def wrong(path: Path, room: str, row: dict[str, int]) -> list[str]:
    """Imports from a row above."""
    found = [name for name in imported(path) if name[0] == "discretevae" and len(name) > 1]
    return [".".join(name) for name in found if row.get(name[1], row[room]) < row[room]]


def test_every_module_has_one_room() -> None:
    found = {room for room, _ in modules()} - {"__init__"}
    assert found == set(rooms())


def test_arrows_run_downwards() -> None:
    row = rooms()
    assert {str(p): w for room, p in modules() if room in row and (w := wrong(p, room, row))} == {}


@pytest.mark.parametrize("line", ["from discretevae.training import train", "from .. import runs"])
def test_an_arrow_upwards_is_found(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PACKAGE / "models" / "no_such_module.py"
    text = f"def f():\n    {line}\n"
    monkeypatch.setattr(Path, "read_text", lambda _: text)
    row = {"training": 0, "runs": 0, "models": 1}
    assert len(wrong(path, "models", row)) == 1


def test_mathematics_knows_no_trainer_and_no_plots() -> None:
    row = rooms()
    pure = [path for room, path in modules() if row.get(room, -1) >= row["models"]]
    found = {name[0] for path in pure for name in imported(path)}
    assert "torch" in found
    assert not found & NOT_IN_MODELS
