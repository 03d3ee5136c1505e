"""Every package that is imported is declared, and what only an extra brings is imported late."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "discretevae"
DISTRIBUTIONS = {
    "PIL": "pillow",
    "docstring_parser": "docstring-parser",
    "huggingface_hub": "huggingface-hub",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Name of an import → the distribution that brings it, where they differ."""
GIVEN = {"pandas"}
"""Imported only where a user hands over one of its objects, or from an extra that requires it."""


def declared(requirements: list[str]) -> set[str]:
    """The distributions that are required, under their normalised names."""
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", name.group()).lower() for name in names if name}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    k: v
    for k, v in PROJECT["optional-dependencies"].items()
    if k not in ("all", "benchmarks", "dev", "docs")
}
ALWAYS = declared(PROJECT["dependencies"])
OPTIONAL = set().union(*map(declared, EXTRAS.values()))


def imports(body: list[ast.stmt], always: bool = True) -> Iterator[tuple[str, bool]]:
    """The top-level packages of a module, and whether importing the module imports them."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], always) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0], always
        else:
            lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
                isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            )
            for field in ("body", "orelse", "handlers", "finalbody"):
                yield from imports(getattr(node, field, []), always and not lazy)


FOUND = {
    (path.relative_to(PACKAGE).as_posix(), name, always)
    for path in PACKAGE.rglob("*.py")
    for name, always in imports(ast.parse(path.read_text(encoding="utf-8")).body)
    if name not in sys.stdlib_module_names and name != "discretevae"
}


def distribution(name: str) -> str:
    return DISTRIBUTIONS.get(name, name.lower())


def test_every_import_is_declared() -> None:
    known = ALWAYS | OPTIONAL | GIVEN
    missing = {(path, name) for path, name, _ in FOUND if distribution(name) not in known}
    assert not missing


def test_what_an_extra_brings_is_imported_where_it_is_used() -> None:
    early = {(path, name) for path, name, always in FOUND if always}
    assert not {(p, name) for p, name in early if distribution(name) not in ALWAYS}


def test_what_is_declared_is_imported() -> None:
    """But for tensorboard, which Lightning imports, and onnx and onnxscript, which torch does."""
    used = {distribution(name) for _, name, _ in FOUND}
    assert (ALWAYS | OPTIONAL) - used <= {"tensorboard", "onnx", "onnxscript"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nobody", {("nobody", True)}),
        ("def f():\n    from nobody.at import home", {("nobody", False)}),
        ("try:\n    import nobody\nexcept ImportError:\n    import nothing",
         {("nobody", True), ("nothing", True)}),
        ("if TYPE_CHECKING:\n    import nobody", {("nobody", False)}),
        ("from . import near", set()),
    ],
)  # fmt: skip
def test_imports_are_found(source: str, expected: set[tuple[str, bool]]) -> None:
    assert set(imports(ast.parse(source).body)) == expected


def test_the_package_imports_without_any_extra() -> None:
    hidden = sorted({name for _, name, _ in FOUND if distribution(name) not in ALWAYS})
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden!r})); import discretevae, "
    modules = "discretevae.cli.main, discretevae.sklearn, discretevae.export, discretevae.sharing"
    subprocess.run([sys.executable, "-c", code + modules], check=True)
