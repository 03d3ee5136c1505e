"""The table of what was tried, and its record."""

import json
import os
import platform
from pathlib import Path
from typing import Any

from tally import Tally

__all__ = ["print_table", "write_record"]

PROMISES = {
    "kills": "A command gets SIGKILL at a random moment (`moment`) or before an operation on a"
    " file of its folder, spread over all that it does (`operation`); or the kernel "
    "ends it in the middle of a write (`byte`, SIGXFSZ). What goes on after it may be"
    " killed again (`again`). Then every file under its final name can be read (but "
    "TensorBoard's log, which grows line by line), an epoch in `metrics.csv` is in "
    "`last.ckpt`, what a command must not touch is as it was to the byte; and the "
    "same command, said again (`train --resume`), ends with the files of a run that "
    "nobody killed, to the byte: configuration, weights, figures; `metrics.csv` but "
    "for its seconds.",
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
    "attacks": "What somebody who means harm could send: a run whose checkpoint names paths and "
    "addresses, whose parts are links or pipes, whose options read other files or grow; a model "
    "that claims layers, sizes and types; archives and codes with a right checksum and a wrong "
    "header; data that unpack to gigabytes; names that are formulas, markup or escape codes. "
    "Opened with the network blocked, 10 s of a processor and 2 GiB: one line, nothing outside the "
    "run touched, nothing asked. What is promised: docs/security.md.",
}
"""Sort of fault → what was done and what must hold."""
MENDED = (
    "A full disk in the middle of a checkpoint, of weights or of an exported program ended with a "
    "traceback: the libraries that write hide the disk's error in one of their own. Another came "
    "from the thread that writes TensorBoard's log.",
    "Two commands could train into one folder, and left a mix of both runs; `train --resume` "
    "removed the temporary files of a command that was writing them.",
    "A flipped bit in saved weights, or a pair of files of two models, loaded without a word: "
    "`config.json` now has a checksum of both files, which is compared where it is there.",
    "A flipped bit in a checkpoint went on into training: the checksums in the file are compared.",
    "A damaged `best.ckpt` ended a resumed run with a traceback, after all its epochs.",
    "`train --resume` on a run without checkpoints, such as one that `prior` made, would have "
    "trained it anew over its model.",
    "`prior` drew the first weights of a prior from PyTorch's global state, not from the seed.",
    "Temporary files of exported programs, of safetensors, and of files with spaces in their names "
    "were left behind by a kill, and a folder with one was no empty folder.",
    "A kill while a run was being replaced could leave a folder that was no run any more, to which "
    "`--overwrite` was refused if a file of the user's was there.",
    "Tracebacks: an empty or foreign `metrics.csv` or `metrics.json` under `compare` and `study`, "
    "a `config.json` without its prior, a damaged context, files nested very deep.",
    "A gzipped data set was unpacked as a whole, whatever it unpacked to.",
    "Sizes below zero, beyond 2^31, or of no example, data of another floating-point type, and "
    "batches without the dimension of a batch were refused in PyTorch's words, or not at all; a "
    "vocabulary of very many pieces ended the process.",
    "A checkpoint could have any folder removed and any address asked, by paths in the state of "
    "its callbacks; parts of a run that are links had their targets replaced; pipes were waited "
    "for.",
    "`config:` in a run's options read any file and printed it; half a kilobyte of aliases, a "
    "million layers in `config.json`, zeros in archives and tables took minutes or gigabytes.",
    "Weights of whole numbers, float8 or NaN, archives of objects, of false shapes or fractions "
    "ended in tracebacks, broken files, or passed.",
    "A class called like half a formula got no report; names wrote into cards, terminals and "
    "spreadsheets.",
)
"""Defects that the bench has found."""


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
    """Writes faults.json and, from it, faults.md."""
    from discretevae.experiments.folder import versions

    record = {
        "command": command,
        "seed": seed,
        "machine": {**versions(), "processor": _processor(), "cores": os.cpu_count()},
        "faults": {tally.sort: tally.as_dict() for tally in tallies},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faults.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / "faults.md").write_text(page(record), encoding="utf-8")


def page(record: dict[str, Any]) -> str:
    """Words and tables for a record."""
    machine, faults = record["machine"], record["faults"]
    lines = [
        "# Faults",
        "",
        f"What was tried by `{record['command']}` (seed {record['seed']}) on "
        f"{machine['processor']} ({machine['cores']} cores, one used), Python "
        f"{machine['python']}, torch {machine['torch']}. "
        f"Failed: **{sum(found['failed'] for found in faults.values())}**.",
        "",
        "| | tried | refused | failed | seconds |",
        "|---|---:|---:|---:|---:|",
    ]
    for sort, found in faults.items():
        numbers = [f"{found[name]:,.0f}" for name in ("tried", "refused", "failed", "seconds")]
        lines.append(f"| {sort} | {' | '.join(numbers)} |")
    lines += ["", "The rest was accepted, or, of the kills, has nothing to refuse."]
    for sort, found in faults.items():
        lines += ["", f"## {sort.capitalize()}", "", PROMISES[sort], ""]
        lines += ["| | tried | refused |", "|---|---:|---:|"]
        for kind, count in found["kinds"].items():
            lines.append(f"| {kind} | {count['tried']:,} | {count['refused']:,} |")
        for title, items in (("Notes", found["notes"]), ("Failed", found["failures"])):
            if items:
                lines += ["", f"{title}:", "", *(f"- {item[:300]}" for item in items)]
    lines += ["", "## Found and mended", "", "A case of each is in `tests/faults/test_defects.py`."]
    lines += ["", *(f"- {what}" for what in MENDED)]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
