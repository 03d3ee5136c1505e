"""Options become a parser of command lines and configuration files."""

import argparse
import inspect
import re
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter

from discretevae.cli.loudness import FLAGS
from discretevae.cli.options import Command, Option, OptionsError, examples_of, flag_of
from discretevae.names import shorten
from discretevae.texts import say

__all__ = ["make_parser"]

PLACES = ("output", "overwrite", "resume", "file")
"""What a configuration file does not say: it may be a stranger's, and would replace a run, or run
code."""
SHORT = {"output": ("-o",)}
"""Option → its short form."""
LETTERS = 1000
"""Of a message."""
WANTED = {"int": "a whole number", "float": "a finite number", "str": "text"}
WRONG_TYPE = re.compile(
    r'^Parser key "(?P<key>\w+)".*?Expected an? <class \'(?P<type>\w+)\'>'
    r".*[vV]alue: ?(?P<value>.*)$"
)


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


class _Help(DefaultHelpFormatter):
    """Says a default where there is one; leaves the lines of the examples as they are."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._HelpAction):
            return super()._get_help_string(action)
        default = not any(action.default is value for value in (None, False, argparse.SUPPRESS))
        return (action.help or "") + (" (default: %(default)s)" if default else "")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return text if len(lines) > 1 else super()._fill_text(text, width, indent)


class _Taken(argparse.Action):
    """An option that is in the help and was taken from the command line before it is parsed."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        hidden = argparse.SUPPRESS
        super().__init__(option_strings, hidden, nargs=0, default=hidden, help=help)

    def __call__(self, *_: Any) -> None:
        """Has nothing left to do."""


def make_parser(
    name: str, command: Command, options: list[Option], exit_on_error: bool = True
) -> _Parser:
    """Makes the parser of a command, its options in their groups."""
    parser = _Parser(
        prog=f"discretevae {name}",
        usage=_usage(name, options),
        description=(inspect.getdoc(command) or "").splitlines()[0],
        allow_abbrev=False,
        exit_on_error=exit_on_error,
        formatter_class=_Help,
        epilog="\n  ".join(["examples:", *examples_of(command)]),
    )
    for flag, text in FLAGS.items():
        parser.add_argument(flag, action=_Taken, help=text)
    if len(options) > 4:
        parser.add_argument(
            "--config",
            action=_Options,
            metavar="FILE",
            help="A YAML file of these options; where a run goes is not for it to say.",
        )
        parser.add_argument("--versions", type=dict[str, str] | None, help=argparse.SUPPRESS)
    groups: dict[tuple[str, str] | None, Any] = {None: parser}
    for option in options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(*option.group or ())
        _add(groups[option.group], option)
    return parser


def _add(parser: Any, option: Option) -> None:
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
            metavar=option.metavar,
        )


def _usage(name: str, options: list[Option]) -> str:
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
    return f"`{flag_of(found['key'])}` must be {wanted}, got {found['value']!r}"
