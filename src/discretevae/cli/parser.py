"""Reads a command line: which command, and which options were given."""

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from textwrap import fill
from typing import Any

from discretevae.cli.options import WIDTH, Command, Option, OptionsError, options_of
from discretevae.names import shorten
from discretevae.texts import say

__all__ = ["Commands", "parse", "typed_options"]

Commands = Mapping[str, Command]

NOT_OPTIONS = ("config", "versions")
"""Keys of a configuration file, or of a parsed command line, that no function takes."""
INDENT = 15 * " "
"""Of the second line about a command."""


def parse(
    commands: Commands, arguments: list[str], groups: Mapping[str, Iterable[str]] = {}
) -> tuple[str, dict[str, Any]]:
    """Reads a command line: the name of a command and the options that were given.

    Keyword-only parameters are written `--like-this`, the others are positional, of a dataclass
    its first field; a positional one that has a default may also be given as an option. `groups`
    are the titles under which the overview shows commands.
    """
    from discretevae import __version__

    if not arguments or arguments[0] in ("-h", "--help"):
        _print_overview(commands, groups)
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
    from discretevae.cli.argument_parser import make_parser

    options = list(options_of(commands[name]))
    parser, words = make_parser(name, commands[name], options), _with_flags(options, rest)
    parser.parse_args(words)  # with the defaults, for the sake of --print_config
    return name, _given(parser.parse_args(words, defaults=False).as_dict())


def typed_options(name: str, command: Command, values: Mapping[str, Any]) -> dict[str, Any]:
    """Checks stored options as if they were given to the command; what lacks gets its default.

    Raises:
        OptionsError: If one is unknown or of another type.
    """
    if "config" in values:
        raise OptionsError("`config` names a further file, which is never read")
    from discretevae.cli.argument_parser import make_parser

    parser = make_parser(name, command, list(options_of(command)), exit_on_error=False)
    return _given(parser.parse_object(dict(values)).as_dict())


def _given(parsed: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parsed.items() if key not in NOT_OPTIONS}


def _with_flags(options: list[Option], words: list[str]) -> list[str]:
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


def _flag_before(option: Option | None) -> list[str]:
    return [] if option is None or option.required else [option.flag]


def _print_overview(commands: Commands, groups: Mapping[str, Iterable[str]]) -> None:
    print("usage: discretevae COMMAND [options]\n")
    print("Variational autoencoders whose latent code is discrete.\n")
    grouped = {name for names in groups.values() for name in names}
    rest = [name for name in commands if name not in grouped]
    for title, names in {**groups, ("More" if groups else "Commands"): rest}.items():
        if names:
            print(f"{title}:")
            for name in names:
                line = (inspect.getdoc(commands[name]) or "").splitlines()[0]
                print(fill(line, WIDTH, initial_indent=f"  {name:<12} ", subsequent_indent=INDENT))
            print()
    print("Options of a command: discretevae COMMAND --help.")
    print("Version: discretevae --version.")
