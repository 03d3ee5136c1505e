"""The study: two architectures, honest numbers, and what the codes mean."""

from discretevae.studies.architectures.findings import Bound, Study
from discretevae.studies.architectures.run import run_study

__all__ = ["Bound", "Study", "run_study"]
