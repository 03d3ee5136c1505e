"""The commands: one typed function each; heavy imports wait until a command needs them."""

import sys

from discretevae.cli.codes import compress, decode, decompress, encode
from discretevae.cli.evaluate import evaluate
from discretevae.cli.explore import explore
from discretevae.cli.export import export
from discretevae.cli.inspect import inspect
from discretevae.cli.laboratory import compare, gradients
from discretevae.cli.lists import datasets, estimators
from discretevae.cli.options import arguments_of
from discretevae.cli.parser import Commands, parse
from discretevae.cli.prior import prior
from discretevae.cli.samples import reconstruct, sample
from discretevae.cli.share import share
from discretevae.cli.study import study
from discretevae.cli.tables import impute, score
from discretevae.cli.train import resume, train
from discretevae.names import shorten
from discretevae.texts import say

__all__ = ["COMMANDS", "main"]

COMMANDS: Commands = {
    "inspect": inspect,
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "reconstruct": reconstruct,
    "encode": encode,
    "decode": decode,
    "compress": compress,
    "decompress": decompress,
    "prior": prior,
    "impute": impute,
    "score": score,
    "export": export,
    "explore": explore,
    "share": share,
    "gradients": gradients,
    "compare": compare,
    "study": study,
    "datasets": datasets,
    "estimators": estimators,
}
LETTERS = 1000
"""Of a message."""


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; what the user got wrong becomes one line and exit status 2."""
    command, status = "", 2
    try:
        command, given = parse(COMMANDS, sys.argv[1:] if arguments is None else arguments)
        if command == "train" and given.get("resume"):
            resume(**given)
        else:
            COMMANDS[command](**arguments_of(COMMANDS[command], given))
        return
    except (ValueError, OSError, MemoryError) as error:
        message = " ".join(str(error).split()) or "not enough memory."
    except RecursionError:
        message = "a file must not be nested deeper than Python can read."
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        message = f"not enough memory for these sizes: {str(error).splitlines()[0]}"
    except KeyboardInterrupt as error:
        message, status = f"interrupted{error}.", 130
    line = f"discretevae {command}".rstrip() + f": {shorten(message, LETTERS)}"
    say(line, error=True)
    raise SystemExit(status)
