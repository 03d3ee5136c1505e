"""Typed functions become commands: options, help and configuration files from their signatures.

A parameter that is a dataclass stands for its fields: one option each, in the groups that are the
dataclass's bases.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn, TypeVar, get_args

from jsonargparse import ArgumentParser

__all__ = ["Commands", "OptionsError", "arguments_of", "parse", "shares", "typed_options"]

Command = Callable[..., None]
Commands = Mapping[str, Command]
C = TypeVar("C", bound=Command)

NOT_OPTIONS = ("config", "versions")
"""Keys of a configuration file, or of a parsed command line, that no function takes."""
SHORT = {"output": ("-o",)}
"""Option → its short form."""
WANTED = {"int": "a whole number", "float": "a finite number", "str": "text"}
WRONG_TYPE = re.compile(
    r'^Parser key "(?P<key>\w+)".*?Expected an? <class \'(?P<type>\w+)\'>'
    r".*[vV]alue: ?(?P<value>.*)$"
)
SECTION = re.compile(r"^(?:Args|Arguments):\n((?: {4}.*\n|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
REQUIRED = inspect.Parameter.empty


class OptionsError(ValueError):
    """Raised where stored options are not those of their command."""


class _Option(NamedTuple):
    """One option; `group` is the title and the description under which the help shows it."""

    name: str
    type: Any
    default: Any
    help: str
    positional: bool
    group: tuple[str, str] | None = None

    @property
    def flag(self) -> str:
        return _flag(self.name)

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def most_values(self, words: int) -> int:
        """Counts the words that it may take."""
        return 0 if self.type is bool else words if list[int] in get_args(self.type) else 1


class _Parser(ArgumentParser):
    """Says what is wrong in one line, with the nearest known option, and exits with 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = _plain(message) + self._nearest(message)
        if not self.exit_on_error:
            raise OptionsError(text)
        print(f"{self.prog}: {text}; see --help.", file=sys.stderr)
        raise SystemExit(2)

    def _nearest(self, message: str) -> str:
        known = [option for action in self._actions for option in action.option_strings]
        words = [word.split("=")[0].strip("',\":") for word in message.split()]
        unknown = [word for word in words if word.startswith("--") and word not in known]
        near = get_close_matches(unknown[0], known, n=1) if unknown else []
        return f" (did you mean {near[0]}?)" if near else ""


def shares(*names: str, **defaults: Any) -> Callable[[C], C]:
    """Gives a command these fields of its dataclass alone; some with defaults of its own."""

    def mark(command: C) -> C:
        command.__dict__["shared"] = {**dict.fromkeys(names, REQUIRED), **defaults}
        return command

    return mark


def parse(commands: Commands, arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Reads a command line: the name of a command and the options that were given.

    Keyword-only parameters are written `--like-this`, the others are positional, of a dataclass
    its first field; a positional one that has a default may also be given as an option.
    """
    from discretevae import __version__

    if not arguments or arguments[0] in ("-h", "--help"):
        _print_overview(commands)
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(f"discretevae {__version__}")
        raise SystemExit(0)
    name, *rest = arguments
    if name not in commands:
        near = get_close_matches(name, commands, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        print(
            f"discretevae: the command must be one of {', '.join(commands)}, got {name!r}{hint}.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    options = list(_options(commands[name]))
    parser, words = _parser(name, commands[name], options), _with_flags(options, rest)
    parser.parse_args(words)  # with the defaults, for the sake of --print_config
    return name, _given(parser.parse_args(words, defaults=False).as_dict())


def arguments_of(command: Command, given: Mapping[str, Any]) -> dict[str, Any]:
    """Puts options that were given into the dataclasses that the command takes."""
    found = dict(given)
    for parameter in _parameters(command):
        cls: Any = parameter.annotation
        if is_dataclass(cls):
            own = [one.name for one, *_ in _fields(command, cls)]
            values = {**_defaults(command), **{k: found.pop(k) for k in own if k in found}}
            found[parameter.name] = cls(**values)
    return found


def typed_options(name: str, command: Command, values: Mapping[str, Any]) -> dict[str, Any]:
    """Checks stored options as if they were given to the command; what lacks gets its default.

    Raises:
        OptionsError: If one is unknown or of another type.
    """
    parser = _parser(name, command, list(_options(command)), exit_on_error=False)
    return _given(parser.parse_object(dict(values)).as_dict())


def _given(parsed: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parsed.items() if key not in NOT_OPTIONS}


def _parameters(command: Command) -> list[inspect.Parameter]:
    return list(inspect.signature(command).parameters.values())


def _options(command: Command) -> Iterator[_Option]:
    """The options of a command; what its own docstring says of one goes before the field's."""
    said = _help(command)
    for parameter in _parameters(command):
        name, cls = parameter.name, parameter.annotation
        positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        if is_dataclass(cls):
            yield from _fields_as_options(command, cls, said, positional)
        else:
            yield _Option(name, cls, parameter.default, said[name], positional)


def _fields_as_options(
    command: Command, cls: Any, said: Mapping[str, str], positional: bool
) -> Iterator[_Option]:
    defaults, first = _defaults(command), fields(cls)[0].name
    for field, text, group in _fields(command, cls):
        yield _Option(
            field.name,
            field.type,
            defaults.get(field.name, field.default),
            said.get(field.name, text),
            positional and field.name == first,
            group,
        )


def _fields(command: Command, cls: type) -> Iterator[tuple[Field[Any], str, tuple[str, str]]]:
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


def _parser(
    name: str, command: Command, options: list[_Option], exit_on_error: bool = True
) -> _Parser:
    parser = _Parser(
        prog=f"discretevae {name}",
        usage=_usage(name, options),
        description=(inspect.getdoc(command) or "").splitlines()[0],
        allow_abbrev=False,
        exit_on_error=exit_on_error,
    )
    if len(options) > 4:
        parser.add_argument("--config", action="config", help="A YAML file of these options.")
        parser.add_argument("--versions", type=dict[str, str] | None, help=argparse.SUPPRESS)
    groups: dict[tuple[str, str] | None, Any] = {None: parser}
    for option in options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(*option.group or ())
        _add(groups[option.group], option)
    return parser


def _add(parser: Any, option: _Option) -> None:
    if option.required:
        parser.add_argument(option.name, metavar=option.name.upper(), help=option.help)
    elif option.type is bool:
        parser.add_argument(option.flag, action="store_true", help=option.help)
    elif list[int] in get_args(option.type):
        parser.add_argument(
            option.flag, type=int, nargs="+", default=option.default, help=option.help, metavar="N"
        )
    else:
        parser.add_argument(
            *SHORT.get(option.name, ()),
            option.flag,
            type=option.type,
            default=option.default,
            help=option.help,
            metavar="X",
        )


def _with_flags(options: list[_Option], words: list[str]) -> list[str]:
    """Puts its flag before each positional word that stands for a parameter with a default.

    An optional positional argument of argparse would overrule a configuration file.
    """
    values = {"--config": 1, "-o": 1} | {o.flag: o.most_values(len(words)) for o in options}
    positional = (option for option in options if option.positional)
    spread, expected = [], 0
    for word in words:
        if word.startswith("--") or word in values:
            expected = 0 if "=" in word else values.get(word, 0)
        elif expected:
            expected -= 1
        elif not word.startswith("-"):
            spread += _flag_before(next(positional, None))
        spread.append(word)
    return spread


def _flag_before(option: _Option | None) -> list[str]:
    return [] if option is None or option.required else [option.flag]


def _usage(name: str, options: list[_Option]) -> str:
    words = ["discretevae", name]
    for option in options:
        if option.positional:
            word = option.name.upper()
            words.append(word if option.required else f"[{word}]")
    if not all(option.positional for option in options):
        words.append("[options]")
    return " ".join(words)


def _plain(message: str) -> str:
    """Puts what jsonargparse says of types into words."""
    text = " ".join(message.split()).rstrip(".")
    found = WRONG_TYPE.match(text)
    if not found:
        return re.sub(r'Parser key "(\w+)"', r"`--\1`", text)
    wanted = WANTED.get(found["type"], found["type"])
    return f"`{_flag(found['key'])}` must be {wanted}, got {found['value']!r}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _print_overview(commands: Commands) -> None:
    print("usage: discretevae COMMAND [options]\n")
    print("Variational autoencoders whose latent code is D categorical variables of K classes.\n")
    for name, function in commands.items():
        print(f"  {name:<12} {(inspect.getdoc(function) or '').splitlines()[0]}")
    print("\nOptions of a command: discretevae COMMAND --help. Version: discretevae --version.")
