"""How to train, apart from the model and the data."""

import math
from dataclasses import dataclass, replace
from typing import Any

from discretevae.names import named, require_names, require_seed, shorten
from discretevae.training.phases import Phase, phase_from
from discretevae.training.processes import require_processes
from discretevae.training.schedules import require_range

__all__ = ["Aim", "Loop", "TrainingOptions"]

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Loop:
    """Steps, epochs and the machine; what is left out follows from the data, by one rule.

    Arguments:
        epochs: Most passes over the training examples; by default some 2,000 steps, 30 to 500
            passes, or 20,000 steps of many examples.
        batch_size: Examples a step; by default 100, or 200 of 10,000 examples and more.
        optimizer: adam, radam (Adam with its first steps rectified), or muon (Adam for what is no
            matrix), the default.
        learning_rate: Of the optimiser, at the start; by default 1e-2 of muon, 1e-3 of the others.
        decay: How the learning rate falls to the end: constant, linear or cosine.
        patience: Epochs without a better validation ELBO before training stops, 0 never stops; by
            default a quarter of all, 10 at least.
        measured_every: Epochs between two measurements of the ELBO, of which the best keeps its
            weights; by default those of some 50 steps, but 20 measurements at least.
        weight_average: Share of the old in a running mean of the weights, .999 say, at least 0 and
            below 1; 0 is without. What is measured, kept and reported then has the mean of the
            weights, training goes on with the weights themselves.
        phases: What follows these epochs, in a configuration file: a list of parts of the training,
            each with its `epochs` and what changes in it of `estimator`, `samples`, `temperature`,
            `beta`, `free_bits`, `batch_size`, `learning_rate`, `decay` and `prior` (fitted to codes
            drawn from the posterior, then trained along). Each starts from the best weights so far.
        test_curve: Also record the test ELBO of every epoch; nothing is decided by it.
        seed: Of everything random.
        accelerator: auto, cpu, gpu, …, as Lightning has it.
        devices: Devices of each machine, a process each (on the CPU: processes); each takes its
            rows of every batch.
        num_nodes: Machines, on each of which the same command is started by torchrun or SLURM.
        precision: 32-true, bf16-mixed or 16-mixed.
    """

    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = named(
        None, "training.optimizers:OPTIMIZERS", names=("adam", "radam", "muon")
    )
    learning_rate: float | None = None
    decay: str = named(
        "cosine", "training.schedules:DECAYS", names=("constant", "linear", "cosine")
    )
    patience: int | None = None
    measured_every: int | None = None
    weight_average: float = 0.0
    phases: Any = None
    test_curve: bool = False
    seed: int = 0
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    precision: str = named("32-true", "training.options:PRECISIONS", names=PRECISIONS)

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class Aim:
    """What is maximised: the ELBO, weighted, and what is added to it.

    Arguments:
        temperature: Of the estimator, instead of its own: a number, START:END (linear over the
            run) or START:END:STEPS.
        beta: Weight of the KL in the objective, in the same notation; never in a reported bound.
            1 with iwae and vimco, whose bound has no KL term.
        contrastive: Weight of a contrastive loss (InfoNCE) between each image's posterior and that
            of a slightly deformed copy, in the same notation; 0 is without.
        contrastive_temperature: τ of that loss.
        similarity: Of two posteriors in that loss: cosine or dot.
        one_sided: Ask each image to recognise its copy, not both each other.
        balance: Weight of the mutual information between example and category, which spreads the
            data over all categories, in the same notation; 0 is without.
    """

    temperature: str | float | None = None
    beta: str | float = 1.0
    contrastive: str | float = 0.0
    contrastive_temperature: float = 0.1
    similarity: str = named("cosine", "objectives:SIMILARITIES", names=("cosine", "dot"))
    one_sided: bool = False
    balance: str | float = 0.0


@dataclass(frozen=True)
class TrainingOptions(Aim, Loop):
    """The options of a training run: those of :class:`Loop`, of :class:`Aim`, and a progress bar.

    Arguments:
        progress_bar: Whether to show one; where nothing can be drawn again (a log), a line for each
            measurement.

    Raises:
        ValueError: If a number is out of range or a name unknown.

    Example:
        >>> TrainingOptions(epochs=30, beta="0:1").epochs
        30
    """

    progress_bar: bool = True

    @property
    def later(self) -> tuple[Phase, ...]:
        """The parts of the training after the first.

        Raises:
            ValueError: If one is none.
        """
        if not isinstance(self.phases, list | tuple | None):
            got = shorten(repr(self.phases))
            raise ValueError(f"`phases` must be a list of parts that have `epochs`, got {got}.")
        return tuple(phase_from(one) for one in self.phases or ())

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "patience": 0, "measured_every": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ValueError(f"`{name}` must be at least {lowest}, got {value}.")
        require_processes(self.devices, self.num_nodes)
        require_seed(self.seed)
        if self.batch_size is not None and self.processes > self.batch_size:
            raise ValueError(
                f"`batch_size` must be at least {self.processes}, a row for each process, "
                f"got {self.batch_size}."
            )
        require_names(self)
        for name in ("learning_rate", "contrastive_temperature"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be positive, got {value}.")
        for name in ("beta", "contrastive", "balance"):
            require_range(name, getattr(self, name), positive=False)
        if self.temperature is not None:
            require_range("temperature", self.temperature, positive=True)
        if not 0 <= self.weight_average < 1:
            raise ValueError(
                f"`weight_average` must be at least 0 and below 1, got {self.weight_average}."
            )
        self.parts()

    def parts(self) -> list["TrainingOptions"]:
        """Gives the options of each part of the training; of one without phases, its own.

        Raises:
            ValueError: If a phase has none.

        Example:
            >>> options = TrainingOptions(20, beta="0:1", phases=[{"epochs": 5, "decay": "linear"}])
            >>> [(part.epochs, part.beta, part.decay) for part in options.parts()]
            [(20, '0:1', 'cosine'), (5, 1.0, 'linear')]
        """
        found = [replace(self, phases=None) if self.phases else self]
        for number, phase in enumerate(self.later, 2):
            try:
                found.append(phase.after(found[-1]))
            except ValueError as error:
                raise ValueError(
                    f"`phases` must all be right, got phase {number}: {error}"
                ) from None
        return found
