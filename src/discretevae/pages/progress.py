"""Progress of long steps, on the error stream, so that results can be piped."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

__all__ = ["track"]

T = TypeVar("T")


def track(steps: Iterable[T], what: str) -> Iterator[T]:
    """Passes `steps` on, with a bar that goes away when they are done."""
    from rich.console import Console
    from rich.progress import track as rich_track

    from discretevae.texts import LOUDNESS

    total = len(steps) if isinstance(steps, Sized) else None
    console = Console(stderr=True)
    yield from rich_track(
        steps,
        what,
        total=total,
        console=console,
        transient=True,
        disable=not console.is_terminal or LOUDNESS.get() == "quiet",
    )
