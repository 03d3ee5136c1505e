"""A problem of one's own from a Python file, which is run."""

import sys
import traceback
from pathlib import Path
from typing import Any

from torch import Tensor

from discretevae.files import read_text
from discretevae.studies.laboratory.problem import OwnProblem

__all__ = ["read_problem"]


def read_problem(path: str | Path) -> OwnProblem:
    """Runs a Python file, as `python FILE` would, and takes its `f` and its `logits`.

    It is code, and can do whatever you can: run no file that you would not run yourself.

    Arguments:
        path: Of a file that defines `logits`, a tensor (*B, D, K), and `f`, which maps one-hot
            codes (S, *B, D, K) to (S, *B).

    Raises:
        ValueError: If it is not Python, fails, exits, or lacks one of the two.
        OSError: If it cannot be read.
    """
    path = Path(path)
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    text = read_text(path)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        exec(compile(text, str(path), "exec"), names)
    except (Exception, SystemExit) as error:
        raise ValueError(f"`file` must run, got {_in_words(error, path)}.") from None
    finally:
        sys.path.pop(0)
    for name in ("f", "logits"):
        if name not in names:
            raise ValueError(f"`file` must define `{name}`, got none in {str(path)!r}.")
    if not callable(names["f"]):
        raise ValueError(f"`f` must be a function of codes, got {type(names['f']).__name__}.")
    if not isinstance(names["logits"], Tensor):
        raise ValueError(f"`logits` must be a tensor, got {type(names['logits']).__name__}.")
    return OwnProblem(names["f"], names["logits"])


def _in_words(error: BaseException, path: Path) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = f" in line {line}" if line else ""
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{type(error).__name__}{where}: {text}".rstrip(".")
