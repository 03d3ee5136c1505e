"""What the tests of estimators that learn share."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from discretevae.estimators.battery import Problem
from discretevae.estimators.learned import LearnedEstimator


@pytest.fixture(scope="session")
def taught() -> Callable[..., Any]:
    """Lets an estimator take steps on a problem, and gives it back."""

    def teach(estimator: LearnedEstimator, problem: Problem, steps: int = 100) -> LearnedEstimator:
        logits = problem.logits.expand(50, -1, -1)
        generator = torch.Generator().manual_seed(1)
        for _ in range(steps):
            estimator(lambda z: problem.f(z, problem.parameters), logits, generator)
        return estimator

    return teach
