"""The commands: one typed function each; heavy imports wait until a command needs them."""

import errno
import re
import sys

from discretevae.cli.codes import compress, decode, decompress, encode, ids
from discretevae.cli.completion import completion
from discretevae.cli.evaluate import evaluate
from discretevae.cli.explore import explore
from discretevae.cli.export import export
from discretevae.cli.inspect import inspect
from discretevae.cli.laboratory import compare, gradients
from discretevae.cli.lists import datasets, estimators
from discretevae.cli.loudness import loudness, without_flags
from discretevae.cli.new import new
from discretevae.cli.options import arguments_of
from discretevae.cli.parser import Commands, parse
from discretevae.cli.prior import prior
from discretevae.cli.samples import reconstruct, sample
from discretevae.cli.share import share
from discretevae.cli.sparse import sparse
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
    "ids": ids,
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
    "sparse": sparse,
    "datasets": datasets,
    "estimators": estimators,
    "completion": completion,
    "new": new,
}
GROUPS = {
    "From data to a report": ("inspect", "train", "evaluate", "prior"),
    "What a model does": ("sample", "reconstruct", "impute", "score", "explore"),
    "Its codes elsewhere": ("encode", "decode", "ids", "compress", "decompress", "export", "share"),
    "Inside a network": ("sparse",),
    "Methods compared": ("gradients", "compare", "study"),
    "What there is, and a start": ("datasets", "estimators", "completion", "new"),
}
"""Title → the commands that the overview shows under it."""
LETTERS = 1000
"""Of a message."""


OF_MEMORY = ("memory", "bad_alloc", "start new thread", "failed to map segment")
"""What those say that ask for memory and get none."""
ASKED = re.compile(r"tried to allocate (\d+) bytes|Unable to allocate ([\d.]+ .?i?B)")


def is_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory; other errors of the system have a number."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    return not isinstance(error, (ValueError, OSError)) and any(w in str(error) for w in OF_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """Says how much was asked for, where that is known, and what takes less.

    Example:
        >>> out_of_memory(RuntimeError("bad_alloc"))
        'not enough memory: --limit takes fewer rows, --batch-size fewer at a time.'
    """
    found = ASKED.search(str(error))
    more = ""
    if found:
        more = f", where {found[2] or f'{int(found[1]) >> 20:,} MiB'} more were asked for"
    return f"not enough memory{more}: --limit takes fewer rows, --batch-size fewer at a time."


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; what the user got wrong becomes one line and exit status 2."""
    command, status = "", 2
    try:
        level, words = without_flags(sys.argv[1:] if arguments is None else arguments)
        command, given = parse(COMMANDS, words, GROUPS)
        with loudness(level):
            if command == "train" and given.get("resume"):
                resume(**given)
            else:
                COMMANDS[command](**arguments_of(COMMANDS[command], given))
        return
    except MemoryError as error:
        message = out_of_memory(error)
    except (ValueError, OSError) as error:
        message = out_of_memory(error) if is_of_memory(error) else " ".join(str(error).split())
    except RecursionError:
        message = "a file must not be nested deeper than Python can read."
    except (RuntimeError, ImportError, SystemError) as error:
        if not is_of_memory(error):
            raise
        message = out_of_memory(error)
    except KeyboardInterrupt as error:
        message, status = f"interrupted{error}.", 130
    line = f"discretevae {command}".rstrip() + f": {shorten(message, LETTERS)}"
    say(line, error=True)
    raise SystemExit(status)
