"""The bench in its short form: a sample of everything that `make faults` tries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent
LEAST = {
    "kills": 5,
    "full disks and quotas": 2,
    "read-only folders": 2,
    "two at once": 2,
    "damaged files": 25,
    "bad arguments": 150,
    "bad command lines": 40,
    "strange data": 20,
    "attacks": 50,
}
"""Sort of fault → how many the short form tries at least."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    folder = tmp_path_factory.mktemp("faults")
    words = [sys.executable, str(BENCH), "--short", "--output", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(words, env=environment, capture_output=True, timeout=600, check=False)
    return json.loads((folder / "faults.json").read_text())["faults"]


@pytest.mark.parametrize("sort", LEAST)
def test_nothing_is_lost_and_every_refusal_is_one_line(
    sort: str, record: dict[str, dict[str, object]]
) -> None:
    assert record[sort]["failures"] == []
    assert record[sort]["tried"] >= LEAST[sort]  # type: ignore[operator]


def test_everything_public_is_called_or_exempt() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(BENCH)!r}); import targets; "
        "print(*targets.untouched())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
