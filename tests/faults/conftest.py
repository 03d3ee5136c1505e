"""The bench is a program of its own, `python tests/faults`: pytest collects its tests alone."""

collect_ignore_glob = ["[!t]*.py", "t[!e]*.py", "__main__.py"]
