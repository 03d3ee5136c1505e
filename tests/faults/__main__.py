"""Runs the bench and prints what it counted: `python tests/faults [--short]`."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from children import preload
from sections import SECTIONS


def main() -> None:
    """Runs the sections that were asked for, prints a table, and writes the record."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a sample, in half a minute")
    parser.add_argument(
        "--times",
        type=int,
        default=1,
        help="so many times the complete form; 8, a night: 1,900 kills, 5,000 damaged files, and "
        "100,000 bad arguments",
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the folder of the cases")
    parser.add_argument("--output", type=Path, help="folder of faults.json and faults.md")
    given = parser.parse_args()
    preload()
    memory = Path("/dev/shm")  # kills are as good there, and faster
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=place))
    folder.chmod(0o755)  # others come here too, see `disks.forbid`
    try:
        from record import print_table, write_record
        from scenes import Scene

        scene = Scene(folder)
        tallies = []
        for name in given.only:
            tallies.append(SECTIONS[name](scene, 0 if given.short else given.times, given.seed))
            print_table(tallies[-1:])
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if given.output:
        words = ["python tests/faults", *sys.argv[1:]]
        write_record(tallies, given.output, given.seed, " ".join(words))
    raise SystemExit(any(tally.failures for tally in tallies))


if __name__ == "__main__":
    main()
