"""Typed functions become commands: options, help and configuration files from their signatures."""

import argparse
import inspect
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser

__all__ = ["Commands", "parse"]

Commands = Mapping[str, Callable[..., None]]


class _Parser(ArgumentParser):
    """Says what is wrong in one line, with the nearest known option, and exits with 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = " ".join(message.split()).rstrip(".")
        known = [option for action in self._actions for option in action.option_strings]
        words = [word.split("=")[0].strip("',\"") for word in text.split()]
        unknown = [word for word in words if word.startswith("--") and word not in known]
        near = get_close_matches(unknown[0], known, n=1) if unknown else []
        hint = f" (did you mean {near[0]}?)" if near else ""
        print(f"{self.prog}: {text}{hint}; see --help.", file=sys.stderr)
        raise SystemExit(2)


def parse(commands: Commands, arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Reads a command line: the name of a command and its options.

    An option of a command that has a default is written `--like-this`; one without is positional.
    A function's first parameter, if it has a default, may also be given as the first argument.
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
    parser, leading = _parser(name, commands[name])
    if leading and rest and not rest[0].startswith("-"):
        rest = [leading, *rest]
    options = parser.parse_args(rest).as_dict()
    return name, {k: v for k, v in options.items() if k not in ("config", "versions")}


def _parser(name: str, function: Callable[..., None]) -> tuple[_Parser, str | None]:
    documentation = parse_docstring(inspect.getdoc(function) or "")
    help_of = {p.arg_name: " ".join((p.description or "").split()) for p in documentation.params}
    parameters = list(inspect.signature(function).parameters.values())
    parser = _Parser(
        prog=f"discretevae {name}",
        description=documentation.short_description,
        allow_abbrev=False,
    )
    configurable = len(parameters) > 4
    if configurable:
        parser.add_argument("--config", action="config", help="A YAML file of these options.")
        parser.add_argument("--versions", type=dict[str, str] | None, help=argparse.SUPPRESS)
    for parameter in parameters:
        _add(parser, parameter, help_of[parameter.name])
    leading = _flag(parameters[0].name) if configurable else None
    return parser, leading


def _add(parser: _Parser, parameter: inspect.Parameter, text: str) -> None:
    positional = parameter.default is inspect.Parameter.empty
    if positional:
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
            _flag(parameter.name),
            type=parameter.annotation,
            default=parameter.default,
            help=text,
            metavar="X",
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _print_overview(commands: Commands) -> None:
    print("usage: discretevae COMMAND [options]\n")
    print("Variational autoencoders whose latent code is D categorical variables of K classes.\n")
    for name, function in commands.items():
        print(f"  {name:<12} {(inspect.getdoc(function) or '').splitlines()[0]}")
    print("\nOptions of a command: discretevae COMMAND --help. Version: discretevae --version.")
