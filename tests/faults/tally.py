"""What was tried, and what went wrong."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Tally"]


@dataclass
class Tally:
    """Counts by sort and kind.

    Arguments:
        sort: Of faults: kills, damaged files, …
    """

    sort: str
    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def count(self, kind: str, fault: str | None, what: str, refused: bool = False) -> None:
        """Counts one case; keeps what went wrong."""
        self.tried[kind] += 1
        self.refused[kind] += refused
        if fault is not None:
            self.failures.append(f"{kind}: {what}: {' '.join(fault.split())}")
            print(f"FAILED {self.sort}: {self.failures[-1]}", file=sys.stderr, flush=True)

    def done(self) -> "Tally":
        """Stops the clock."""
        self.seconds = time.perf_counter() - self.began
        return self

    def as_dict(self) -> dict[str, object]:
        """In plain types, for the record."""
        return {
            "tried": sum(self.tried.values()),
            "refused": sum(self.refused.values()),
            "failed": len(self.failures),
            "kinds": {
                kind: {"tried": count, "refused": self.refused[kind]}
                for kind, count in self.tried.items()
            },
            "failures": self.failures,
            "notes": self.notes,
            "seconds": round(self.seconds, 1),
        }
