"""The command that prints what a shell needs to complete the others."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from discretevae.cli.loudness import FLAGS
from discretevae.cli.options import Command, Option, choices, options_of
from discretevae.texts import say

__all__ = ["completion"]

SHELLS = ("bash", "zsh", "fish")
ESTIMATORS = ("estimators:ESTIMATORS", "estimators.multisample:MULTISAMPLE_ESTIMATORS")
TABLES = {"estimator": ESTIMATORS, "name": ESTIMATORS, "data": ("data:DATASETS",)}
"""Option → the tables of its names, where these are too many for the help, or files besides."""


@choices(shell=SHELLS)
def completion(shell: str) -> None:
    """Print a script with which a shell completes commands, options and names.

    Args:
        shell: bash, zsh or fish.

    Examples:
        discretevae completion bash >> ~/.bashrc
        discretevae completion fish > ~/.config/fish/completions/discretevae.fish
    """
    from discretevae.cli.main import COMMANDS
    from discretevae.names import resolve

    for line in resolve("shell", shell, SCRIPTS)(list(_known(COMMANDS))):
        say(line)


class Known(NamedTuple):
    """A command: what it does, its flags with their help, and the names that they take."""

    name: str
    line: str
    options: list[Option]

    @property
    def flags(self) -> dict[str, str]:
        own = {option.flag: option.help for option in self.options if not option.required}
        if "output" in {option.name for option in self.options}:
            own |= {"-o": own["--output"]}
        if len(self.options) > 4:
            own |= {"--config": "A YAML file of these options."}
        return own | FLAGS | {"--help": "Show what there is to choose."}

    @property
    def names(self) -> dict[str, list[str]]:
        found = {option.flag: _names(option) for option in self.options}
        return {flag: names for flag, names in found.items() if names}

    @property
    def valued(self) -> list[str]:
        """The flags after which something stands."""
        none = {option.flag for option in self.options if option.type is bool}
        return [flag for flag in self.flags if flag not in {*none, *FLAGS, "--help"}]

    @property
    def first(self) -> list[str]:
        """The names that may stand where no flag stands."""
        return next((_names(one) for one in self.options if one.positional), [])


def _known(commands: Mapping[str, Command]) -> Iterator[Known]:
    for name, command in commands.items():
        line = (command.__doc__ or "").strip().splitlines()[0]
        yield Known(name, line, list(options_of(command)))


def _names(option: Option) -> list[str]:
    from discretevae.names import names_of

    return [*option.choices, *names_of(*TABLES.get(option.name, ()))]


def _cases(commands: Iterable[Known], add: str, nothing: str) -> Iterator[str]:
    """What may stand after a flag; bash and zsh write it alike."""
    for one in commands:
        for flag, names in one.names.items():
            yield f"    {one.name}:{flag}) {add.format(' '.join(names))}; return;;"
        rest = [flag for flag in one.valued if flag not in one.names]
        if rest:
            yield f"    {'|'.join(f'{one.name}:{flag}' for flag in rest)}) {nothing}; return;;"


def _bash(commands: list[Known]) -> Iterator[str]:
    add = 'COMPREPLY=($(compgen -W "{}" -- "$word"))'
    yield "_discretevae() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield '  local command="${COMP_WORDS[1]}"'
    yield "  COMPREPLY=()"
    yield "  if ((COMP_CWORD == 1)); then"
    yield f"    {add.format(' '.join(one.name for one in commands))}; return"
    yield "  fi"
    yield '  case "$command:$before" in'
    yield from _cases(commands, add, ":")
    yield "  esac"
    yield '  case "$command:$word" in'
    for one in commands:
        yield f"    {one.name}:-*) {add.format(' '.join(one.flags))};;"
    for one in commands:
        if one.first:
            names = add.replace('-W "{}"', '-W "{}" -f').format(" ".join(one.first))
            yield f"    {one.name}:*) {names};;"
    yield "  esac"
    yield "}"
    yield "complete -o default -F _discretevae discretevae"


def _zsh(commands: list[Known]) -> Iterator[str]:
    yield "#compdef discretevae"
    yield "_discretevae() {"
    yield "  if ((CURRENT == 2)); then"
    yield "    local -a commands=("
    yield from (f"      {_quoted(f'{one.name}:{one.line}')}" for one in commands)
    yield "    )"
    yield "    _describe command commands; return"
    yield "  fi"
    yield '  case "$words[2]:$words[CURRENT-1]" in'
    yield from _cases(commands, "compadd -- {}", "_files")
    yield "  esac"
    yield '  case "$words[2]:$words[CURRENT]" in'
    for one in commands:
        yield f"    {one.name}:-*) compadd -- {' '.join(one.flags)}; return;;"
    for one in commands:
        if one.first:
            yield f"    {one.name}:*) compadd -- {' '.join(one.first)};;"
    yield "  esac"
    yield "  _files"
    yield "}"
    yield "compdef _discretevae discretevae"


def _fish(commands: list[Known]) -> Iterator[str]:
    start = "complete -c discretevae"
    for one in commands:
        line = _quoted(one.line)
        yield f"{start} -n __fish_use_subcommand -f -a {one.name} -d {line}"
    for one in commands:
        here = f"{start} -n '__fish_seen_subcommand_from {one.name}'"
        if one.first:
            yield f"{here} -a {_quoted(' '.join(one.first))}"
        for flag, text in one.flags.items():
            letters = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            value = f" -x -a {_quoted(' '.join(one.names[flag]))}" if flag in one.names else ""
            value = value or " -r" * (flag in one.valued)
            yield f"{here} {letters}{value} -d {_quoted(text.partition('. ')[0])}"


def _quoted(text: str) -> str:
    """Writes a text as one word of a shell; an apostrophe becomes the letter of printers."""
    return "'" + text.replace("\\", "").replace("'", "’") + "'"


SCRIPTS: dict[str, Callable[[list[Known]], Iterable[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
"""Shell → the lines of its script."""
