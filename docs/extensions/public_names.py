"""Every public name of a package, from its docstring: `.. public-names:: discretevae.priors`."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import discretevae


def names_of(module: str) -> list[str]:
    """Lists what a package offers and the top of the library does not; of that itself, all."""
    found: list[str] = list(import_module(module).__all__)
    top = set(discretevae.__all__)
    return found if module == "discretevae" else [name for name in found if name not in top]


def directive_of(module: str, name: str) -> list[str]:
    """Writes what documents one name."""
    value = getattr(import_module(module), name)
    if inspect.isclass(value):
        options = ["   :members:", "   :show-inheritance:"]
        if issubclass(value, tuple):
            options.append("   :exclude-members: count, index")
        return [f".. autoclass:: {module}.{name}", *options, ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {module}.{name}", ""]
    return [f".. autodata:: {module}.{name}", "   :no-value:", ""]


class PublicNames(SphinxDirective):
    """Documents the names in `__all__` of a package."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Writes the directives of autodoc and lets them run."""
        module = self.arguments[0]
        lines = [line for name in names_of(module) for line in directive_of(module, name)]
        node = nodes.section()
        node.document = self.state.document
        self.state.nested_parse(StringList(lines, source=module), self.content_offset, node)
        return node.children


SHAPE = re.compile(r"(?<![*\w])\*(?=#?[A-Za-z_]+\b(?!\*))")
"""The asterisk of a shape, (*B, D), which is no emphasis."""
OPTION = re.compile(r"(?<![\w`-])--[a-z][\w-]*")
"""An option of the command line, which is code and no dash."""


def _process(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    if what == "data":
        lines[:] = list(_of_data(name.split(".")[-1], value))
    lines[:] = _escaped(lines)


def _escaped(lines: list[str]) -> list[str]:
    """Escapes what is no emphasis: not in code, not in formulas, not in examples."""
    found, formula = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if formula is not None and line.strip() and indent <= formula:
            formula = None
        if line.lstrip().startswith(".. math::"):
            formula = indent
        if formula is None and not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(`[^`]*`)", line)
            line = "".join(p if p.startswith("`") else _prose(p) for p in parts)
        found.append(line)
    return found


def _prose(text: str) -> str:
    return OPTION.sub(r"`\g<0>`", SHAPE.sub(r"\*", text))


def _of_data(name: str, value: Any) -> Iterator[str]:
    """Gives what stands below a constant in the code, and the names in a table."""
    found = (_below(module, name, value) for module in sorted(_modules()))
    yield from next((lines for lines in found if lines), [])
    if isinstance(value, Mapping):
        yield ""
        for key, entry in value.items():
            what = getattr(entry, "__name__", "")
            yield f"- ``{key}``" + (f": {what}" if what and what != "<lambda>" else "")
    yield ""


def _modules() -> list[str]:
    return [module for module in sys.modules if module.startswith("discretevae")]


def _below(module: str, name: str, value: Any) -> list[str]:
    if vars(sys.modules[module]).get(name) is not value:
        return []
    try:
        return ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name), [])
    except PycodeError:
        return []


def _with_lazy_names(app: Sphinx, config: Any) -> None:
    for name in discretevae.__all__:
        setattr(discretevae, name, getattr(discretevae, name))


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive; the names that are loaded on first use are loaded."""
    app.add_directive("public-names", PublicNames)
    app.connect("config-inited", _with_lazy_names)
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
