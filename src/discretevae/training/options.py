"""How to train, apart from the model and the data."""

import math
from dataclasses import dataclass

from discretevae.names import resolve
from discretevae.training.optimizers import OPTIMIZERS
from discretevae.training.schedules import DECAYS, require_range

__all__ = ["TrainingOptions"]

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a training run.

    Arguments:
        epochs: The most passes over the training examples.
        batch_size: Examples a step.
        optimizer: adam, radam (Adam with its first steps rectified), or muon (Adam for what is no
            matrix).
        learning_rate: Of the optimiser, at the start.
        decay: How the learning rate falls to the end: constant, linear or cosine.
        patience: Epochs without a better validation ELBO before training stops; 0 never stops.
        temperature: Of the estimator, instead of its own: a number, "START:END" or
            "START:END:STEPS" (linear in the global step).
        beta: The weight of the KL in the objective, in the same notation.
        test_curve: Also write the test ELBO of every epoch; nothing is decided by it.
        seed: Of everything random.
        accelerator: auto, cpu, gpu, …, as Lightning has it.
        devices: How many devices, or "auto".
        precision: 32-true, bf16-mixed or 16-mixed.
        progress_bar: Whether to show one.

    Raises:
        ValueError: If a number is out of range or a name unknown.
    """

    epochs: int = 100
    batch_size: int = 100
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    decay: str = "cosine"
    patience: int = 20
    temperature: str | float | None = None
    beta: str | float = 1.0
    test_curve: bool = False
    seed: int = 0
    accelerator: str = "auto"
    devices: int | str = 1
    precision: str = "32-true"
    progress_bar: bool = True

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}.")
        if self.seed >= 2**63:
            raise ValueError(f"`seed` must be less than 2^63, got {self.seed}.")
        resolve("optimizer", self.optimizer, OPTIMIZERS)
        resolve("decay", self.decay, DECAYS)
        resolve("precision", self.precision, dict.fromkeys(PRECISIONS))
        require_range("beta", self.beta, positive=False)
        if self.temperature is not None:
            require_range("temperature", self.temperature, positive=True)
