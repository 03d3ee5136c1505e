"""What writes the fixtures is a program of its own, `make.py`: pytest collects the tests alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `fixture_figures`, which both sides share

collect_ignore_glob = ["make.py", "fixture_figures.py"]
