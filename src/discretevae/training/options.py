"""How to train, apart from the model and the data."""

import math
from dataclasses import dataclass

from discretevae.names import require_seed, resolve
from discretevae.objectives import SIMILARITIES
from discretevae.processes import require_processes
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
        contrastive: The weight of the contrastive term, in the same notation; 0 is without.
        contrastive_temperature: τ of the InfoNCE loss.
        similarity: Of two embeddings in it: cosine or dot.
        one_sided: Ask the example alone to recognise its augmentation, not both each other.
        balance: The weight of the information between example and class, which balances the use
            of the code, in the same notation; 0 is without.
        test_curve: Also write the test ELBO of every epoch; nothing is decided by it.
        seed: Of everything random.
        accelerator: auto, cpu, gpu, …, as Lightning has it.
        devices: How many devices of each machine, a process each; every batch is parted among them.
        num_nodes: How many machines.
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
    contrastive: str | float = 0.0
    contrastive_temperature: float = 0.1
    similarity: str = "cosine"
    one_sided: bool = False
    balance: str | float = 0.0
    test_curve: bool = False
    seed: int = 0
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    precision: str = "32-true"
    progress_bar: bool = True

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch_size": 1, "patience": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")
        require_processes(self.devices, self.num_nodes)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}.")
        require_seed(self.seed)
        if self.processes > self.batch_size:
            raise ValueError(
                f"`batch_size` must be at least {self.processes}, a row for each process, "
                f"got {self.batch_size}."
            )
        resolve("optimizer", self.optimizer, OPTIMIZERS)
        resolve("decay", self.decay, DECAYS)
        resolve("precision", self.precision, dict.fromkeys(PRECISIONS))
        for name in ("beta", "contrastive", "balance"):
            require_range(name, getattr(self, name), positive=False)
        resolve("similarity", self.similarity, SIMILARITIES)
        if not self.contrastive_temperature > 0:
            raise ValueError(
                f"`contrastive_temperature` must be positive, got {self.contrastive_temperature}."
            )
        if self.temperature is not None:
            require_range("temperature", self.temperature, positive=True)

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.devices * self.num_nodes
