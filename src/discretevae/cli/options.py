"""The options of a command, from the signature of its function.

A parameter that is a dataclass stands for its fields: one option each, in the groups that are the
dataclass's bases.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar, get_args

__all__ = [
    "WIDTH",
    "Command",
    "Option",
    "OptionsError",
    "arguments_of",
    "choices",
    "examples_of",
    "flag_of",
    "options_of",
    "shares",
]

Command = Callable[..., None]
C = TypeVar("C", bound=Command)

SECTION = re.compile(r"^(?:Args|Arguments):\n((?: {4}.*\n|\n)+)", re.MULTILINE)
EXAMPLES = re.compile(r"^Examples:\n((?: {4}.*\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
REQUIRED = inspect.Parameter.empty
WIDTH = 80
"""Columns of a terminal."""
SIGNS = {int: "N", float: "X", str: "TEXT"}
"""Type → what stands for a value in the help."""


class OptionsError(ValueError):
    """Raised where stored options are not those of their command."""


class Option(NamedTuple):
    """One option; `group` is the title and the description under which the help shows it."""

    name: str
    type: Any
    default: Any
    help: str
    positional: bool
    group: tuple[str, str] | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return flag_of(self.name)

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def metavar(self) -> str:
        """What stands for its value in the help: the choices, where a line has room for them."""
        choices = "{" + ",".join(self.choices) + "}"
        if self.choices:
            return choices if len(f"  {self.flag} {choices}") <= WIDTH else "NAME"
        types = get_args(self.type) or (self.type,)
        return next((sign for kind, sign in SIGNS.items() if kind in types), "X")

    def most_values(self, words: int) -> int:
        """Counts the words that it may take."""
        return 0 if self.type is bool else words if list[int] in get_args(self.type) else 1


def shares(*names: str, **defaults: Any) -> Callable[[C], C]:
    """Gives a command these fields of its dataclass alone; some with defaults of its own."""

    def mark(command: C) -> C:
        command.__dict__["shared"] = {**dict.fromkeys(names, REQUIRED), **defaults}
        return command

    return mark


def choices(**names: Iterable[str]) -> Callable[[C], C]:
    """Tells the help which names a command's own parameters may have; the command checks them."""

    def mark(command: C) -> C:
        command.__dict__["choices"] = names
        return command

    return mark


def arguments_of(command: Command, given: Mapping[str, Any]) -> dict[str, Any]:
    """Puts options that were given into the dataclasses that the command takes."""
    found = dict(given)
    for parameter in _parameters(command):
        cls: Any = parameter.annotation
        if is_dataclass(cls):
            own = [one.name for one, *_ in _fields(command, cls)]
            values = {**_defaults(command), **{k: found.pop(k) for k in own if k in found}}
            make: Any = cls
            found[parameter.name] = make(**values)
    return found


def _parameters(command: Command) -> list[inspect.Parameter]:
    return list(inspect.signature(command).parameters.values())


def options_of(command: Command) -> Iterator[Option]:
    """The options of a command; what its own docstring says of one goes before the field's."""
    said = _help(command)
    for parameter in _parameters(command):
        name = parameter.name
        cls: Any = parameter.annotation
        positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        if is_dataclass(cls):
            yield from _fields_as_options(command, cls, said, positional)
        else:
            names = command.__dict__.get("choices", {}).get(name, ())
            yield Option(name, cls, parameter.default, said[name], positional, choices=tuple(names))


def _fields_as_options(
    command: Command, cls: Any, said: Mapping[str, str], positional: bool
) -> Iterator[Option]:
    defaults, first = _defaults(command), fields(cls)[0].name
    for field, text, group in _fields(command, cls):
        yield Option(
            field.name,
            field.type,
            defaults.get(field.name, field.default),
            said.get(field.name, text),
            positional and field.name == first,
            group,
            tuple(field.metadata.get("names", ())),
        )


def _fields(command: Command, cls: Any) -> Iterator[tuple[Field[Any], str, tuple[str, str]]]:
    """The fields that a command has as options, with their help and their group.

    In each group those that it declares itself lead, those that it inherits follow.
    """
    shared = command.__dict__.get("shared")
    whole = {field.name: field for field in fields(cls)}
    for group in reversed(cls.__bases__) if len(cls.__bases__) > 1 else (cls,):
        line = (inspect.getdoc(group) or "").splitlines()[0]
        texts = {k: v for base in reversed(group.__mro__) for k, v in _help(base).items()}
        for name in dict.fromkeys(
            [*inspect.get_annotations(group), *(f.name for f in fields(group))]
        ):
            if shared is None or name in shared:
                yield whole[name], texts[name], (group.__name__, line)


def _defaults(command: Command) -> dict[str, Any]:
    """The defaults that a command has instead of those of the fields."""
    shared = command.__dict__.get("shared", {})
    return {name: value for name, value in shared.items() if value is not REQUIRED}


def _help(documented: object) -> dict[str, str]:
    """What a docstring says of each argument."""
    section = SECTION.search(f"{inspect.getdoc(documented) or ''}\n")
    entries = ENTRY.findall(section[1]) if section else []
    return {name: " ".join(text.split()) for name, text in entries}


def examples_of(command: Command) -> list[str]:
    """The command lines that a docstring gives as examples."""
    section = EXAMPLES.search(f"{inspect.getdoc(command) or ''}\n")
    return [line.strip() for line in section[1].splitlines()] if section else []


def flag_of(name: str) -> str:
    """Writes the name of an option as the command line has it."""
    return "--" + name.replace("_", "-")
