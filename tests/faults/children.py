"""Commands in children of one process that has imported everything: a fork instead of a start."""

import contextlib
import importlib
import os
import pkgutil
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any

__all__ = ["Outcome", "command", "each", "preload", "said"]

MEMORY = 3 * 2**30
"""Bytes that a child may map beyond what it was born with: what takes more is refused to it."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    status: int
    """As a shell has it; minus the signal where one ended it."""
    out: str
    err: str
    seconds: float = 0.0
    hung: bool = False

    def fault(self, refused: bool | None = None, begun: bool = False) -> str | None:
        """Says what is wrong with how a command ended, if anything is.

        Arguments:
            refused: Whether it must have been refused, or must not; either will do if None.
            begun: Whether it may have shown progress before it was refused.
        """
        lines = [line for line in self.err.splitlines() if line.strip()]
        if self.hung:
            return f"hung for {self.seconds:.0f} s"
        if self.status < 0:
            return f"ended by signal {-self.status}: {self.err[-300:]}"
        for sign in ("Traceback (most recent call last)", "Warning:", "Exception ignored"):
            if sign in self.err:
                return f"a traceback or a warning: {self.err[-700:]}"
        if self.status == 0:
            return "accepted, should have been refused" if refused else None
        if refused is False:
            return f"refused: {self.err[-300:]}"
        if self.status != 2:
            return f"status {self.status}: {self.err[-300:]}"
        last = lines[-1].split("\r")[-1] if lines else ""
        if not last.startswith("discretevae") or (len(lines) != 1 and not begun):
            return f"{len(lines)} lines: {self.err[-500:]!r}"
        if len(last) > 1500:
            return f"a line of {len(last)} characters: {last[:200]!r}"
        return None


def preload() -> None:
    """Imports all that a command may need, so that children share it."""
    import torch

    import discretevae

    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(discretevae.__path__, "discretevae."):
        importlib.import_module(module.name)
    for name in ("hypothesis", "pandas", "pyarrow.parquet", "PIL.Image", "sklearn.datasets"):
        importlib.import_module(name)
    for name in ("onnxscript", "onnxruntime", "constriction", "tokenizers"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def command(
    arguments: Sequence[str],
    before: Callable[[], None] = lambda: None,
    kill_after: float | None = None,
    limit: float = 120.0,
) -> Outcome:
    """Runs a command in a child of its own.

    Arguments:
        arguments: As on the command line.
        before: What the child does first: the fault that it brings about.
        kill_after: Seconds until it is killed.
        limit: Seconds until it is taken for hung.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _be_child(out.fileno(), err.fileno(), lambda: _run(arguments, before))
        hung = False
        if not _ends(child, limit if kill_after is None else kill_after):
            hung = kill_after is None
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        seconds = time.perf_counter() - began
        return Outcome(status, _content(out.fileno()), _content(err.fileno()), seconds, hung)


def said(arguments: Sequence[str]) -> Outcome:
    """Runs a command in this process, a child of :func:`each`, and reads what it says."""
    began = time.perf_counter()
    for stream in (1, 2):
        os.ftruncate(stream, 0)
        os.lseek(stream, 0, os.SEEK_SET)
    status = _run(arguments, lambda: None)
    sys.stdout.flush()
    sys.stderr.flush()
    return Outcome(status, _content(1), _content(2), time.perf_counter() - began)


def each(
    cases: Sequence[Callable[[], Any]],
    limit: float = 30.0,
    before: Callable[[], None] = lambda: None,
) -> Iterator[Any]:
    """Runs cases in one child after the other; gives what each returned.

    A case that raises, hangs or takes its child with it gives an `Outcome` that says so, and the
    next ones get a new child.

    Arguments:
        cases: What to do; each returns what can be pickled.
        limit: Seconds of each case.
        before: What every child does first.
    """
    done = 0
    while done < len(cases):
        theirs, ours = _pipe()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                ours.close()
                work = lambda: _do(cases, done, theirs, before)  # noqa: B023, E731
                _be_child(out.fileno(), err.fileno(), work)
            theirs.close()
            began = time.perf_counter()
            while done < len(cases):
                try:
                    if not ours.poll(limit):
                        os.kill(child, signal.SIGKILL)
                        yield Outcome(-9, "", "", time.perf_counter() - began, hung=True)
                        done += 1
                        break
                    yield ours.recv()
                    began = time.perf_counter()
                    done += 1
                except EOFError:
                    _, status = os.waitpid(child, 0)
                    child = 0
                    code = os.waitstatus_to_exitcode(status)
                    yield Outcome(code, "", "the child died: " + _content(err.fileno())[-600:])
                    done += 1
                    break
            ours.close()
            if child:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _pipe() -> tuple[Connection, Connection]:
    receiving, sending = Pipe(duplex=False)
    return sending, receiving


def _do(
    cases: Sequence[Callable[[], Any]], start: int, sending: Connection, before: Callable[[], None]
) -> int:
    before()
    for case in cases[start:]:
        try:
            found = case()
        except BaseException:
            found = Outcome(1, "", traceback.format_exc())
        sending.send(found)
    signal.pause()  # until it is killed: the parent has all it wants
    return 0


def _run(arguments: Sequence[str], before: Callable[[], None]) -> int:
    from discretevae.cli.main import main

    try:
        before()
        main(list(arguments))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _be_child(out: int, err: int, work: Callable[[], int]) -> None:
    """Never returns: all that a parent's frames would do at the end is left undone."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    warnings.resetwarnings()
    warnings.filterwarnings("default")
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.filterwarnings("ignore", category=category)
    born = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_AS, (born + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = 1
    with contextlib.suppress(BaseException):
        status = work()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _ends(child: int, seconds: float) -> bool:
    """Waits until a child ends, which stays to be waited for; tells whether it did."""
    handle = os.pidfd_open(child)
    try:
        return bool(select.select([handle], [], [], max(0.0, seconds))[0])
    finally:
        os.close(handle)


def _content(handle: int) -> str:
    size = os.fstat(handle).st_size
    return os.pread(handle, min(size, 2**20), 0).decode(errors="replace")
