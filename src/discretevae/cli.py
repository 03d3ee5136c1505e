"""The commands: one typed function each; heavy imports wait until a command needs them."""

import sys

from discretevae.command_parser import Commands, parse
from discretevae.commands.codes import compress, decode, decompress, encode
from discretevae.commands.evaluate import evaluate
from discretevae.commands.explore import explore
from discretevae.commands.export import export
from discretevae.commands.laboratory import compare, gradients
from discretevae.commands.lists import datasets, estimators
from discretevae.commands.prior import prior
from discretevae.commands.samples import reconstruct, sample
from discretevae.commands.share import share
from discretevae.commands.study import study
from discretevae.commands.tables import impute, score
from discretevae.commands.train import resume, train

__all__ = ["COMMANDS", "main"]

COMMANDS: Commands = {
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


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; what the user got wrong becomes one line and exit status 2."""
    command, status = "", 2
    try:
        command, given = parse(COMMANDS, sys.argv[1:] if arguments is None else arguments)
        resumed = command == "train" and given.get("resume")
        (resume if resumed else COMMANDS[command])(**given)
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
    print(f"discretevae {command}".rstrip() + f": {message}", file=sys.stderr)
    raise SystemExit(status)
