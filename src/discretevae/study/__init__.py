"""The study: two architectures, honest numbers, and what the codes mean."""

from discretevae.study.findings import Bound, Study
from discretevae.study.run import run_study

__all__ = ["Bound", "Study", "run_study"]
