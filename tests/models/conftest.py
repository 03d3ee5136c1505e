"""Lets the tests of models import what they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `enumeration` and `small_models`

collect_ignore_glob = ["enumeration.py", "small_models.py"]
