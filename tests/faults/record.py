"""The table of what was tried, and its record."""

import json
import os
import platform
from pathlib import Path

from tally import Tally

__all__ = ["print_table", "write_record"]

PROMISES = {
    "kills": "A command is killed at a random moment, before each operation on a file of its "
    "folder, or by the kernel in the middle of a write, and what goes on after it may be killed "
    "again. Then every file under its final name can be read, an epoch in `metrics.csv` is in "
    "`last.ckpt`, what a command must not touch is as it was to the byte; and the same command, "
    "said again (`train --resume`), ends with the files of a run that nobody killed, to the byte.",
    "full disks and quotas": "A small disk in memory has some bytes left, or each file may have "
    "so many: the command succeeds, or ends with one line and status 2; then as above, with space "
    "again.",
    "read-only folders": "Folders without permission to write (root gives up its capabilities), "
    "and a disk mounted read-only.",
    "two at once": "Two commands write into one folder: one is refused in a line, or both are "
    "safe.",
    "damaged files": "Truncated, bits flipped, noise, bytes appended, another file in its place, "
    "empty, and what somebody who means harm could write (nested deep, claims of petabytes, bombs, "
    "pickles): refused in one line and with status 2, or read as what it still validly says. What "
    "carries a checksum (a saved model, codes, compressed files) is refused, or gives what the "
    "whole file gives, to the byte.",
    "bad arguments": "Everything public, one or two arguments at a time, by hypothesis: of the "
    "right type and a wrong value: a `ValueError` or success, never another error (where no memory "
    "holds the size, PyTorch's own words for that); of a wrong type: also what Python raises of "
    "itself. Shapes of tensors are among types for the functions of the mathematics (as the "
    "signatures have them, checked at every call while testing); models, data and files check them "
    "always.",
    "bad command lines": "Every command but the two that list, one to three options at a time, by "
    "hypothesis: one line and status 2, or accepted; what is right stops before it trains.",
    "strange data": "Well-formed and strange files, trained on by two likelihoods, encoded and "
    "reconstructed by a run with other data.",
}
"""Sort of fault → what was done and what must hold."""


def print_table(tallies: list[Tally]) -> None:
    """Prints one row a sort of fault, and one a kind."""
    print(f"{'':28}{'tried':>8}{'refused':>9}{'failed':>8}{'seconds':>9}")
    for tally in tallies:
        tried, refused = sum(tally.tried.values()), sum(tally.refused.values())
        print(f"{tally.sort:28}{tried:8,}{refused:9,}{len(tally.failures):8}{tally.seconds:9.0f}")
        for kind, count in tally.tried.items():
            print(f"  {kind:26}{count:8,}{tally.refused[kind]:9,}")
        for note in tally.notes:
            print(f"  ({note})")


def write_record(tallies: list[Tally], folder: Path, seed: int, command: str) -> None:
    """Writes faults.json and faults.md."""
    from discretevae.runs import versions

    record = {
        "command": command,
        "seed": seed,
        "machine": {**versions(), "processor": _processor(), "cores": os.cpu_count()},
        "faults": {tally.sort: tally.as_dict() for tally in tallies},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faults.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / "faults.md").write_text(_page(tallies, record), encoding="utf-8")


def _page(tallies: list[Tally], record: dict[str, object]) -> str:
    machine = record["machine"]
    assert isinstance(machine, dict)
    failed = sum(len(tally.failures) for tally in tallies)
    lines = [
        "# Faults",
        "",
        f"What was tried by `{record['command']}` (seed {record['seed']}) on "
        f"{machine['processor']} ({machine['cores']} cores, one used), Python "
        f"{machine['python']}, torch {machine['torch']}. Failed: **{failed}**.",
        "",
        "| | tried | refused | failed | seconds |",
        "|---|---:|---:|---:|---:|",
    ]
    for tally in tallies:
        tried, refused = sum(tally.tried.values()), sum(tally.refused.values())
        lines.append(
            f"| {tally.sort} | {tried:,} | {refused:,} | {len(tally.failures)} | "
            f"{tally.seconds:,.0f} |"
        )
    for tally in tallies:
        lines += ["", f"## {tally.sort.capitalize()}", "", PROMISES[tally.sort], ""]
        lines += ["| | tried | refused |", "|---|---:|---:|"]
        for kind, count in tally.tried.items():
            lines.append(f"| {kind} | {count:,} | {tally.refused[kind]:,} |")
        lines += ["", *(f"- {note}" for note in tally.notes)] if tally.notes else []
        if tally.failures:
            lines += ["", "Failed:", "", *(f"- {failure[:300]}" for failure in tally.failures)]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
