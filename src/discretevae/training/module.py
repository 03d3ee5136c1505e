"""The Lightning module: one step of the objective, one true ELBO an epoch."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from discretevae.data import Batch, Batches, Examples, Splits, Stream, as_batch, share_of
from discretevae.data.seeding import generator
from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.evaluation.code_health import code_health
from discretevae.evaluation.diagnosis import diagnose
from discretevae.latents.draws import SharedGenerator
from discretevae.models import VAE
from discretevae.models.chain import rows_at_once
from discretevae.texts import LOUDNESS
from discretevae.training.defaults import budget
from discretevae.training.optimizers import OPTIMIZERS
from discretevae.training.options import TrainingOptions
from discretevae.training.schedules import DECAYS, Schedule, parse_schedule
from discretevae.training.terms import WeightedTerm, weighted_terms
from discretevae.training.weight_average import averaged

__all__ = ["NonFiniteError", "QuickModule", "TrainingModule", "require_unweighted"]

CHECK_EVERY = 100
"""Steps between two looks for values that are not finite; each waits for the device."""
GRACE, SETTLED = 0.2, 0.5
"""Parts of the budget before which a code may lie idle, and before which some latents may."""
TRIED = 100
"""Examples on which added terms are tried before the run."""
MEASURED = 1_000
"""Examples of which the true ELBO is measured together."""
CURVE_EXAMPLES = 5_000
"""Training examples, the first of the set, on which the curve's train ELBO is measured."""


class NonFiniteError(FloatingPointError, ValueError):
    """Raised where the objective is no longer finite."""


class QuickModule(LightningModule):
    """A module whose attributes are set quickly where that happens at every step."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the name of every hook it calls, some 40 times a step; a module's own
        # way of setting an attribute is ten times as slow as an object's.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


class TrainingModule(QuickModule):
    """Trains a VAE on its objective and measures the true ELBO from time to time.

    All that is random is a function of (seed, epoch), all that is scheduled of the global step:
    a run resumed from the checkpoint of an epoch repeats the next one exactly.

    Arguments:
        model: The model.
        data: The splits.
        options: How to train.
        terms: What is added to the ELBO.
        config: Of the run, from which a command that repeats it can start.
        phase: Which part of a training in several this is, from 1; none where there is but one.
        before: The part before this one, from which it goes on.

    Attributes:
        average: The mean of the weights, where there is one.
        budget: What the options leave open, by the rule.
        seconds: That the training has taken, measurements and evaluation apart.
        history: One row an epoch that is measured, as `metrics.csv` has it; part of every
            checkpoint.
        terms: Name of the weight → what is added to the ELBO.
    """

    def __init__(
        self,
        model: VAE,
        data: Splits,
        options: TrainingOptions,
        terms: Mapping[str, WeightedTerm] | None = None,
        config: Path | None = None,
        phase: int | None = None,
        before: "TrainingModule | None" = None,
    ) -> None:
        super().__init__()
        self.model, self.data, self.options = model, data, options
        self.budget = budget(options, len(data.train))
        self.phase = phase
        self.history: list[dict[str, float]] = [] if before is None else before.history
        self.warned: list[str] = [] if before is None else before.warned
        self.average: AveragedModel | None = None if before is None else before.average
        if options.weight_average and before is None:
            self.average = averaged(model, options.weight_average)
        self.generator: torch.Generator | None = None
        self._objective = torch.tensor(0.0)
        self._sums: dict[str, Tensor] = {}
        self.seconds: float = 0.0 if before is None else before.seconds
        self._started = 0.0
        steps = self.budget.epochs * -(-len(data.train) // self.budget.batch_size)
        self.steps, self.config = steps, config
        self.schedules: dict[str, Schedule] = {
            "learning_rate": DECAYS[options.decay](self.budget.learning_rate, steps),
            "beta": parse_schedule("beta", options.beta, steps),
        }
        weighted = weighted_terms(model, options, terms or {})
        self.terms = {name: term for name, (term, _) in weighted.items()}
        for name, (_, weight) in weighted.items():
            self.schedules[name] = parse_schedule(name, weight, steps)
        self._try_terms()
        require_unweighted(model.estimators, options.beta)
        if options.temperature is not None:
            self._require_temperature()
            self.schedules["temperature"] = parse_schedule(
                "temperature", options.temperature, steps
            )

    @property
    def measured(self) -> bool:
        """Whether the ELBO after the epoch that has just ended is in the history."""
        return bool(self.history) and self.history[-1]["epoch"] == self.epoch + 1

    @property
    def kept(self) -> VAE:
        """The model that is measured and kept: of the mean of the weights, where there is one."""
        average: Any = self.average
        kept: VAE = self.model if average is None else average.module
        return kept

    @property
    def epoch(self) -> int:
        """Epochs of the whole training before the one that is running, or has just ended."""
        return self.current_epoch + int(self.earlier("epoch"))

    def earlier(self, name: str) -> float:
        """Gives what the parts of the training before this one came to: epochs or steps."""
        rows = [row for row in self.history if row.get("phase") != self.phase]
        return rows[-1][name] if rows else 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        make = OPTIMIZERS[self.budget.optimizer]
        trained = [p for p in self.model.parameters() if p.requires_grad]  # not an estimator's own
        return make(trained, self.budget.learning_rate)

    def train_dataloader(self) -> Batches:
        """Makes this epoch's batches; called anew each epoch."""
        return self._batches(self.data.train, self.budget.batch_size, self.epoch, True)

    def on_train_epoch_start(self) -> None:
        self.generator = self._stream("estimator", self.epoch)
        if any(variable.point for variable in self.model.variables):
            # A codebook starts, and is revived, by draws of torch's own stream.
            torch.manual_seed(self.generator.initial_seed())
        self._objective = torch.zeros((), device=self.device)
        self._sums = {name: torch.zeros((), device=self.device) for name in self.terms}
        self._started = time.perf_counter()

    def on_train_batch_start(self, batch: Tensor | Batch, batch_idx: int) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.schedules["learning_rate"](self.global_step)
        self.set_scheduled(self.global_step)

    def on_train_batch_end(self, outputs: Any, batch: Tensor | Batch, batch_idx: int) -> None:
        if self.average is not None:
            self.average.update_parameters(self.model)

    def set_scheduled(self, step: int) -> None:
        """Gives the model the β and the temperature of a step of this part of the training."""
        self.model.beta = self.schedules["beta"](step)
        if "temperature" in self.schedules:
            self.model.set_temperature(self.schedules["temperature"](step))

    def training_step(self, batch: Tensor | Batch, batch_idx: int) -> Tensor:
        x, context = as_batch(batch)
        size = self.budget.batch_size
        total = min(size, len(self.data.train) - batch_idx * size)
        counted, draws = self._mine(self.generator, total)
        with self.model.encoded_once(x, context) if self.terms else nullcontext():
            # Gradients are averaged over processes: the sum of all rows over all rows, in the end.
            share = self.trainer.world_size * (counted > 0)
            objective = self.model.objective(x, draws, context).sum() * (share / total)
            for name, term in self.terms.items():
                # As above; a term is a mean of the rows it is given.
                value = term(self.model, x, draws, context) * (len(x) * share / total)
                self._sums[name] += value.detach()
                objective = objective + self.schedules[name](self.global_step) * value
        self._objective += objective.detach()
        if batch_idx % CHECK_EVERY == CHECK_EVERY - 1:
            self._require_finite(batch_idx)
        return -objective

    def on_train_epoch_end(self) -> None:
        self._require_finite(int(self.trainer.num_training_batches) - 1)
        self.seconds += time.perf_counter() - self._started
        epoch = self.current_epoch + 1
        if epoch % self.budget.measured_every and epoch < self.budget.epochs:
            return
        row = {
            **({} if self.phase is None else {"phase": self.phase}),
            "epoch": self.epoch + 1,
            "step": self.global_step + int(self.earlier("step")),
            "seconds": round(self.seconds, 3),
            "train_objective": self._mean_objective(int(self.trainer.num_training_batches)),
            **self._mean_terms(),
            **self._true_elbos(),
            **{name: value(self.global_step) for name, value in self.schedules.items()},
        }
        self._require_finite_elbos(row)
        self.history.append(row)
        self._warn_of_collapse()
        for name, value in row.items():
            bar = name in ("train_elbo", "validation_elbo")
            if name not in ("phase", "epoch", "step") or self._counts(name):
                self.log(name, float(value), prog_bar=bar, on_step=False, on_epoch=True)

    def _counts(self, name: str) -> bool:
        """Whether a logger is told a number that it would count itself, anew in each phase."""
        return name == "step" and self.phase is not None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history
        checkpoint["warned"] = self.warned

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history, self.warned = checkpoint["history"], checkpoint["warned"]
        self.seconds = self.history[-1]["seconds"] if self.history else 0.0

    @torch.no_grad()
    def _try_terms(self) -> None:
        """Has a term that does not suit the model or the data say so now."""
        if not self.terms:
            return
        some = self.data.train.take(slice(0, TRIED))
        for term in self.terms.values():
            term(self.model, some.values(), generator("try", 0), some.context)

    def _mean_terms(self) -> dict[str, float]:
        batches = int(self.trainer.num_training_batches) * self.trainer.world_size
        return {
            f"train_{term.name}": self._summed(self._sums[name]) / batches
            for name, term in self.terms.items()
        }

    def _true_elbos(self) -> dict[str, float]:
        """The true ELBO on fixed sets: hard samples, β = 1, the same draws every epoch."""
        first = self.data.train.take(slice(0, CURVE_EXAMPLES))
        sets = {"train": first, "validation": self.data.validation}
        if self.options.test_curve:
            sets["test"] = self.data.test
        self.kept.eval()
        elbos = {
            f"{name}_elbo": self._mean_elbo(examples)
            for name, examples in sets.items()
            if len(examples)
        }
        self.model.train()
        return elbos

    @torch.no_grad()
    def _mean_elbo(self, examples: Examples) -> float:
        draws, sum_ = self._stream("curve", 0), torch.zeros((), device=self.device)
        size = rows_at_once(self.model.likelihood.evaluated(examples.shape), MEASURED)
        for i, batch in enumerate(self._batches(examples, size, 0, False)):
            x, context = as_batch(batch)
            counted, mine = self._mine(draws, min(size, len(examples) - i * size))
            sum_ += self.kept.elbo_terms(x, 1, mine, context).elbo[:counted].sum()
        return self._summed(sum_) / len(examples)

    def _mean_objective(self, batches: int) -> float:
        return self._summed(self._objective) / (batches * self.trainer.world_size)

    def _summed(self, value: Tensor) -> float:
        """Adds up what the processes have."""
        return float(self.trainer.strategy.reduce(value.clone(), reduce_op="sum"))

    def _stream(self, name: str, epoch: int) -> torch.Generator:
        """Draws of an epoch, the same for every number of processes."""
        stream = generator(name, self.options.seed, epoch, device=self.device)
        if self.trainer.world_size == 1:
            return stream
        shared = SharedGenerator(self.device)
        shared.manual_seed(stream.initial_seed())
        return shared

    def _mine(
        self, stream: torch.Generator | None, total: int
    ) -> tuple[int, torch.Generator | None]:
        """How many rows of a batch this process counts, and the draws for those it has."""
        first, end = share_of(total, *self._share)
        if isinstance(stream, SharedGenerator):
            stream.take(first, max(end - first, 1), total)
        return end - first, stream

    @property
    def _share(self) -> tuple[int, int]:
        return self.trainer.global_rank, self.trainer.world_size

    def _batches(
        self, examples: Examples | Stream, size: int, epoch: int, shuffle: bool
    ) -> Batches:
        return Batches(
            examples,
            size,
            self.data.binarizer,
            seed=self.options.seed,
            epoch=epoch,
            shuffle=shuffle,
            device=self.device,
            share=self._share,
        )

    def _warn_of_collapse(self) -> None:
        """Warns once, as soon as a part of the code is seen to be out of use."""
        if self.model.categorical is None or self.global_step < GRACE * self.steps or self.warned:
            return
        examples = self.data.validation if len(self.data.validation) else self.data.train
        batches = Batches(
            examples.take(slice(0, CURVE_EXAMPLES)),
            rows_at_once(self.model.likelihood.evaluated(examples.shape), MEASURED),
            self.data.binarizer,
            self.options.seed,
            shuffle=False,
            device=self.device,
        )
        found = diagnose(
            code_health(self.kept, batches),
            beta=self.schedules["beta"](self.steps),
            epochs=self.budget.epochs,
            steps=self.steps,
        )
        if found is None or not (found.total or self.global_step >= SETTLED * self.steps):
            return
        self.warned.append(found.says)
        text = f"Warning, after epoch {self.epoch + 1}: {found.says}"
        if LOUDNESS.get() != "quiet":
            self.print(f"{text} {found.advice(self.config)}", file=sys.stderr)

    def _require_finite(self, batch_idx: int) -> None:
        objective = self._summed(self._objective)
        if not math.isfinite(objective):
            step = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx + 1
            self._refuse("the objective", objective, step + int(self.earlier("step")))

    def _require_finite_elbos(self, row: dict[str, float]) -> None:
        for name, value in row.items():
            if name.endswith("_elbo") and not math.isfinite(value):
                self._refuse(f"`{name}`", value, int(row["step"]))

    def _refuse(self, what: str, value: float, step: int) -> NoReturn:
        where = next(_not_finite(self.model), "the objective alone")
        raise NonFiniteError(
            f"{what} must stay finite, got {value} by step {step} (found in {where}): "
            "lower --learning-rate."
        )

    def _require_temperature(self) -> None:
        if not any(estimator.tempered for estimator in self.model.estimators):
            names = ", ".join(type(estimator).__name__ for estimator in self.model.estimators)
            raise ValueError(
                "`temperature` must go with an estimator that has one, got "
                f"{names or 'none'} and {self.options.temperature!r}."
            )


def require_unweighted(estimators: Iterable[GradientEstimator], beta: str | float) -> None:
    """Refuses a β other than 1, at any step, with an estimator whose bound has no KL term."""
    schedule = parse_schedule("beta", beta, steps=1)
    for estimator in estimators:
        if estimator.multi_sample and {schedule(0), schedule(sys.maxsize)} != {1}:
            raise ValueError(
                "`beta` must be 1 with a multi-sample estimator, whose bound has no KL to weigh, "
                f"got {beta!r} and {type(estimator).__name__}."
            )


def _not_finite(model: VAE) -> Iterator[str]:
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            yield f"the weights of {name}"
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            yield f"the gradient of {name}"
