"""Every command with its options, from the functions that the command line itself is made of."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from discretevae.cli.main import COMMANDS
from discretevae.cli.options import Option, options_of

WORDS = {int: "a whole number", float: "a number", str: "text"}


def kind_of(option: Option) -> str:
    """Says in words what an option takes; nothing of a flag."""
    types = [one for one in (get_args(option.type) or (option.type,)) if one is not type(None)]
    if list[int] in types:
        return "whole numbers"
    return " or ".join(WORDS[one] for one in types if one in WORDS)


OPTION = re.compile(r"(?<![\w`-])--[a-z][\w-]*")


def _escaped(text: str) -> str:
    """Keeps asterisks, bars and underscores what they are, and options code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(f"`{part}`" if part.startswith("`") else _prose(part) for part in parts)


def _prose(text: str) -> str:
    return OPTION.sub(r"``\g<0>``", re.sub(r"([*|_\\])", r"\\\1", text))


def _option(option: Option) -> Iterator[str]:
    metavar = "" if option.type is bool else " N …" if "numbers" in kind_of(option) else " X"
    name = option.name.upper() if option.required else f"{option.flag}{metavar}"
    if option.positional and not option.required:
        name = f"{option.name.upper()}, {name}"
    if option.name == "output" and not option.positional:
        name = f"-o X, {name}"
    yield f".. option:: {name}"
    yield ""
    yield f"   {_escaped(option.help)}"
    facts = [] if option.type is bool or not kind_of(option) else [kind_of(option)]
    if not option.required and option.default not in (None, False):
        facts.append(f"default ``{option.default}``")
    if facts:
        yield ""
        yield f"   ({'; '.join(facts)})"
    yield ""


def page_of(name: str) -> Iterator[str]:
    """Writes the section of one command."""
    command = COMMANDS[name]
    text = inspect.getdoc(command) or ""
    description = re.split(r"\n(?:Args|Arguments|Raises):\n", text)[0].strip()
    yield f".. program:: discretevae {name}"
    yield ""
    yield from (_escaped(line) for line in description.splitlines())
    yield ""
    group: Any = None
    for option in options_of(command):
        if option.group and option.group != group:
            group = option.group
            yield f".. rubric:: {group[0]}"
            yield ""
            yield _escaped(group[1])
            yield ""
        yield from _option(option)


class Commands(SphinxDirective):
    """Writes a section for each command."""

    def run(self) -> list[nodes.Node]:
        """Parses what is written of each command."""
        found: list[nodes.Node] = []
        for name in COMMANDS:
            section = nodes.section(ids=[f"discretevae-{name}"], names=[f"discretevae {name}"])
            section += nodes.title("", f"discretevae {name}")
            section.document = self.state.document
            lines = StringList(list(page_of(name)), source=name)
            self.state.nested_parse(lines, self.content_offset, section)
            self.state.document.note_implicit_target(section, section)
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
