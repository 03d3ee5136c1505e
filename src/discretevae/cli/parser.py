"""Typed functions become commands: options, help and configuration files from their signatures."""

import argparse
import inspect
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from docstring_parser import parse as parse_docstring
from jsonargparse import ActionConfigFile, ArgumentParser

from discretevae.names import shorten
from discretevae.texts import say

__all__ = ["Commands", "OptionsError", "parse", "typed_options"]

Commands = Mapping[str, Callable[..., None]]

NOT_OPTIONS = ("config", "versions")
"""Keys of a configuration file, or of a parsed command line, that no function takes."""
PLACES = ("output", "overwrite", "resume")
"""What a configuration file does not say: it may be a stranger's, and would replace a run."""
SHORT = {"output": ("-o",)}
"""Option → its short form."""
LETTERS = 1000
"""Of a message."""
WANTED = {"int": "a whole number", "float": "a finite number", "str": "text"}
WRONG_TYPE = re.compile(
    r'^Parser key "(?P<key>\w+)".*?Expected an? <class \'(?P<type>\w+)\'>'
    r".*[vV]alue: ?(?P<value>.*)$"
)


class OptionsError(ValueError):
    """Raised where stored options are not those of their command."""


class _Options(ActionConfigFile):
    """Takes options from a file of plain YAML, and nothing that the file names."""

    def __call__(self, parser: Any, found: Any, value: Any, option_string: Any = None) -> None:
        from discretevae.experiments.yaml_files import read_yaml

        try:
            options = read_yaml(value)
            for name in (*PLACES, "config"):
                if name in options:
                    raise ValueError(
                        f"`{value}` must not say `{name}`, which is for the command line alone"
                    )
        except ValueError as error:
            parser.error(f"`--config`: {error}")
        read = parser.parse_object(options, defaults=False, _skip_validation=True)
        for name, given in vars(read).items():
            found[name] = given


class _Parser(ArgumentParser):
    """Says what is wrong in one line, with the nearest known option, and exits with 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = shorten(_plain(message) + self._nearest(message), LETTERS)
        if not self.exit_on_error:
            raise OptionsError(text)
        say(f"{self.prog}: {text}; see --help.", error=True)
        raise SystemExit(2)

    def _nearest(self, message: str) -> str:
        known = [option for action in self._actions for option in action.option_strings]
        words = [word.split("=")[0].strip("',\":") for word in message.split()]
        unknown = [word for word in words if word.startswith("--") and word not in known]
        near = get_close_matches(unknown[0], known, n=1) if unknown else []
        return f" (did you mean {near[0]}?)" if near else ""


def parse(commands: Commands, arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Reads a command line: the name of a command and the options that were given.

    Keyword-only parameters are written `--like-this`, the others are positional; a positional one
    that has a default may also be given as an option.
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
        got = shorten(repr(name))
        say(
            f"discretevae: the command must be one of {', '.join(commands)}, got {got}{hint}.",
            error=True,
        )
        raise SystemExit(2)
    parser, words = _parser(name, commands[name]), _with_flags(commands[name], rest)
    parser.parse_args(words)  # with the defaults, for the sake of --print_config
    return name, _options(parser.parse_args(words, defaults=False).as_dict())


def typed_options(
    name: str, function: Callable[..., None], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Checks stored options as if they were given to the command; what lacks gets its default.

    Raises:
        OptionsError: If one is unknown or of another type.
    """
    if "config" in values:
        raise OptionsError("`config` names a further file, which is never read")
    parser = _parser(name, function, exit_on_error=False)
    return _options(parser.parse_object(dict(values)).as_dict())


def _options(parsed: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parsed.items() if key not in NOT_OPTIONS}


def _parser(name: str, function: Callable[..., None], exit_on_error: bool = True) -> _Parser:
    documentation = parse_docstring(inspect.getdoc(function) or "")
    help_of = {p.arg_name: " ".join((p.description or "").split()) for p in documentation.params}
    parameters = list(inspect.signature(function).parameters.values())
    parser = _Parser(
        prog=f"discretevae {name}",
        usage=_usage(name, parameters),
        description=documentation.short_description,
        allow_abbrev=False,
        exit_on_error=exit_on_error,
    )
    if len(parameters) > 4:
        parser.add_argument(
            "--config",
            action=_Options,
            help="A YAML file of these options; where a run goes is not for it to say.",
        )
        parser.add_argument("--versions", type=dict[str, str] | None, help=argparse.SUPPRESS)
    for parameter in parameters:
        _add(parser, parameter, help_of[parameter.name])
    return parser


def _add(parser: _Parser, parameter: inspect.Parameter, text: str) -> None:
    if parameter.default is inspect.Parameter.empty:
        parser.add_argument(parameter.name, metavar=parameter.name.upper(), help=text)
    elif parameter.annotation is bool:
        parser.add_argument(_flag(parameter.name), action="store_true", help=text)
    elif list[int] in get_args(parameter.annotation):
        parser.add_argument(
            _flag(parameter.name), type=int, nargs="+", default=parameter.default, help=text,
            metavar="N",
        )  # fmt: skip
    else:
        parser.add_argument(
            *SHORT.get(parameter.name, ()),
            _flag(parameter.name),
            type=parameter.annotation,
            default=parameter.default,
            help=text,
            metavar="X",
        )


def _with_flags(function: Callable[..., None], words: list[str]) -> list[str]:
    """Puts its flag before each positional word that stands for a parameter with a default.

    An optional positional argument of argparse would overrule a configuration file.
    """
    parameters = inspect.signature(function).parameters.values()
    values = {"--config": 1, "-o": 1} | {
        _flag(p.name): _most_values(p, len(words)) for p in parameters
    }
    positional = filter(_is_positional, parameters)
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


def _flag_before(parameter: inspect.Parameter | None) -> list[str]:
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return []
    return [_flag(parameter.name)]


def _most_values(parameter: inspect.Parameter, words: int) -> int:
    """Counts the words that an option may take."""
    if parameter.annotation is bool:
        return 0
    return words if list[int] in get_args(parameter.annotation) else 1


def _is_positional(parameter: inspect.Parameter) -> bool:
    return parameter.kind is not inspect.Parameter.KEYWORD_ONLY


def _usage(name: str, parameters: list[inspect.Parameter]) -> str:
    words = ["discretevae", name]
    for parameter in filter(_is_positional, parameters):
        word = parameter.name.upper()
        words.append(word if parameter.default is inspect.Parameter.empty else f"[{word}]")
    if not all(map(_is_positional, parameters)):
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
