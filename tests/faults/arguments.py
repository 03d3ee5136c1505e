"""Bad arguments to every public class and function."""

import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import hypothesis
import numpy as np
from bad_values import alike, bad, draws
from children import Outcome, each
from hypothesis import strategies as st
from scenes import Scene
from tally import Tally
from targets import Target, targets

__all__ = ["misuse"]

SECONDS = 6
"""After which a call is taken for hung."""
TYPES = (TypeError, AttributeError, LookupError, NotImplementedError, RuntimeError)
"""What Python itself raises where an object of another kind is given; shapes are among kinds."""


class _EndlessError(BaseException):
    """Raised in a call that takes too long: right for 2^31 epochs, wrong for anything else."""


class Misuse(NamedTuple):
    """What became of one call."""

    target: str
    what: str
    fault: str | None
    refused: bool


def misuse(scene: Scene, count: int, seed: int) -> Tally:
    """Calls everything public with bad values, one or two arguments at a time.

    Arguments:
        scene: Where there are runs and files for what reads them.
        count: Calls of each.
        seed: Of the values.
    """
    tally = Tally("bad arguments")
    folder = scene.folder / "arguments"
    folder.mkdir()
    found = targets(scene, folder)
    cases = [_case(target, count, seed) for target in found]
    for target, results in zip(found, each(cases, limit=max(300.0, 6.0 * count)), strict=True):
        if isinstance(results, Outcome):
            tally.count(target.room, results.fault(), target.name)
            continue
        seen = set()
        for result in results:
            fault = result.fault if result.fault not in seen else None
            seen.add(result.fault)
            what = f"{result.target}: {result.what}"
            tally.count(target.room, fault, what, refused=result.refused)
    return tally.done()


def _case(target: Target, count: int, seed: int) -> Callable[[], list[Misuse]]:
    def case() -> list[Misuse]:
        signal.signal(signal.SIGALRM, _hung)
        results: list[Misuse] = []
        good = target.good()

        @hypothesis.seed(f"{seed} {target.name}")
        @draws(count)
        @hypothesis.given(st.data())
        def attempt(data: st.DataObject) -> None:
            names = data.draw(
                st.lists(st.sampled_from(sorted(good)), min_size=1, max_size=2, unique=True)
            )
            given = {name: data.draw(bad(good[name])) for name in names}
            results.append(_call(target, target.good() | given, given, good))

        if good:
            attempt()
        return results

    return case


def _call(
    target: Target, arguments: dict[str, Any], given: dict[str, Any], good: dict[str, Any]
) -> Misuse:
    # Once more every second, for what is raised in a destructor is lost.
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    fault, refused = None, True
    right = all(alike(good[name], value) for name, value in given.items())
    huge = any(_huge(value) for value in given.values())
    try:
        target.call(**arguments)
        refused = False
    except ValueError as error:
        if len(str(error)) > 5000 or not str(error).strip():
            fault = f"a message of {len(str(error))} characters: {str(error)[:200]!r}"
        elif right and "\n" in str(error).strip() and target.ours(error):
            fault = f"a message of several lines: {str(error)[:300]!r}"
    except (MemoryError, OSError):
        pass
    except _EndlessError:
        fault, refused = (None if huge else f"hung for {SECONDS} s"), False
    except BaseException as error:
        no_room = any(word in str(error) for word in ("memory", "verflow", "too large", "too big"))
        if not (no_room and huge) and (
            (right and not target.loose) or not isinstance(error, TYPES)
        ):
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            fault = f"{type(error).__name__}: {str(error)[:200]} ({place})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    what = ", ".join(f"{name}={_short(value)}" for name, value in given.items())
    return Misuse(target.name, what, fault, refused)


def _huge(value: Any) -> bool:
    """Whether a size is such that no memory holds it; PyTorch says so in words of its own."""
    if isinstance(value, (tuple, list)):
        return any(map(_huge, value))
    return isinstance(value, (int, np.integer, float)) and abs(value) >= 2**31


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{type(value).__name__}{tuple(value.shape)} {value.dtype}"
    return repr(value)[:80]


def _hung(number: int, frame: FrameType | None) -> None:
    raise _EndlessError
