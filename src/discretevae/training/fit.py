"""The training run: Lightning around a model, its data and options."""

import csv
import logging
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from discretevae.data import Splits, given_splits
from discretevae.files import atomic_path
from discretevae.models import VAE
from discretevae.models.chain import rows_at_once
from discretevae.models.pretrained import require_savable
from discretevae.names import shorten
from discretevae.texts import note
from discretevae.training.checkpoints import (
    AtomicCheckpointIO,
    BestAndLast,
    CheckpointError,
    read_checkpoint,
)
from discretevae.training.correlation import correlate
from discretevae.training.defaults import by_rule
from discretevae.training.estimate import Estimate
from discretevae.training.history import History, best_row
from discretevae.training.module import TrainingModule
from discretevae.training.options import TrainingOptions
from discretevae.training.phases import Phase, enter, fit_new_prior
from discretevae.training.prior import fit_afterwards, improve_prior
from discretevae.training.progress import Lines, ProgressBar, is_redrawn
from discretevae.training.terms import WeightedTerm

__all__ = ["Prepared", "TrainingError", "prepare", "train"]

CHUNK = 1000
"""Examples that are checked at a time."""
STARTED_ON = 5000
"""Training examples, the first of the set, by which a new model is started."""


class TrainingError(ValueError):
    """Raised where a run cannot be trained as asked."""


def train(
    model: VAE,
    data: Any,
    options: TrainingOptions | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    *,
    terms: Mapping[str, WeightedTerm] | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | Sequence[Logger] | None = None,
) -> History:
    """Trains a model in place and leaves it with the weights of the best validation ELBO.

    Where the options have a `weight_average`, these are their mean; where they have `phases`, the
    best of the last.

    The numbers of a table are then correlated given the code, where that raises the bound.

    Arguments:
        model: The model.
        data: The splits; validation decides when to stop and which weights to keep. Or an array,
            a tensor, a data frame with the columns of the model, sentences or a DataLoader, which
            are parted by seed and taken as the model sees them.
        options: How to train; what they leave out follows from the data.
        folder: Where `metrics.csv`, `checkpoints/` and `tensorboard/` go; nowhere if None.
        resume: Go on from `checkpoints/last.ckpt`, where there is one; with the same terms.
        terms: What is maximised besides the ELBO, never reported with it: name of the weight →
            (term, weight), a weight being a number, "START:END" or "START:END:STEPS".
        callbacks: Of Lightning; `pl_module.history` has the rows, that of an epoch from the
            start of the next on. What one keeps in checkpoints must be plain values or tensors.
        logger: Of Lightning, instead of TensorBoard's in the folder.

    Returns:
        One row an epoch that is measured: `train_objective` (the surrogate), the terms,
        `train_elbo`, `validation_elbo` (true bounds, nats per example), seconds and the scheduled
        values. It is a list with `plot()` and `to_frame()`.

    Raises:
        ValueError: If the data do not suit the likelihood, a checkpoint is damaged, or an option
            is out of range.

    Example:
        >>> from discretevae import DiscreteVAE, load_data
        >>> from discretevae.training.terms import Balance
        >>> digits = load_data("digits", binarize="fresh", limit=20)
        >>> options = TrainingOptions(epochs=1, accelerator="cpu", progress_bar=False)
        >>> added = {"spread": (Balance(), 2)}
        >>> history = train(DiscreteVAE((1, 8, 8)), digits, options, terms=added)
        >>> history[0]["spread"]
        2.0
    """
    options = options or TrainingOptions()
    prepared = prepare(
        model,
        given_splits(data, model.likelihood.config(), options.seed),
        options,
        folder,
        resume,
        terms=terms,
        callbacks=callbacks,
        logger=logger,
    )
    return prepared.fit()


Make = Callable[[int, TrainingModule | None], tuple[TrainingModule, Trainer]]
"""What makes a part of a training, by its number and the part before it."""


@dataclass(frozen=True)
class Prepared:
    """A training that has been found right and has not begun; nothing is written yet.

    Attributes:
        model: What is trained, in place.
        data: On what.
        module: What Lightning trains.
        trainer: What trains it.
        folder: Where it writes.
        start: The checkpoint to go on from, if any.
        begun: Whether a step has been made.
        kept: Whether the folder stays.
        fit_prior: Whether the model of a table or of a grid gets a better prior afterwards.
        make: Makes the parts that follow.
        later: What they change, by their number.
    """

    model: VAE
    data: Splits
    module: TrainingModule
    trainer: Trainer
    folder: Path
    start: Path | None
    begun: "Stepped"
    kept: bool
    fit_prior: bool
    make: Make
    later: Mapping[int, Phase]

    def fit(self) -> History:
        """Trains; gives one row an epoch that is measured."""
        try:
            return History(self._fit())
        finally:
            if not self.kept:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _fit(self) -> list[dict[str, float]]:
        model, module, trainer = self.model, self.module, self.trainer
        if self.start is None:
            _start(model, self.data)
        self._train(module, trainer, self.start)
        for number, phase in self.later.items():
            if trainer.is_global_zero:
                _take_best(module, checkpoints_of(self.folder, module.phase))
            began = time.perf_counter()
            _begin(module, phase, number, fit=trainer.is_global_zero)
            module.seconds += time.perf_counter() - began
            module, trainer = self.make(number, module)
            self._train(module, trainer, None)
        if not trainer.is_global_zero:
            return module.history
        write_history(self.folder / "metrics.csv", module.history)  # nothing left to train
        _take_best(module, checkpoints_of(self.folder, module.phase))
        if module.average is not None:
            model.load_state_dict(module.kept.state_dict())
        module.set_scheduled(int(best_row(module.history)["step"] - module.earlier("step")))
        model.to("cpu").eval()
        table = model.likelihood.table is not None
        if table:
            correlate(model, self.data, module.options.seed)
        seen = int(module.history[-1]["step"]) * module.budget.batch_size
        improves = self.fit_prior and (table or model.grid is not None)  # worth it there
        if module.options.progress_bar and (improves or model.fitted_afterwards is not None):
            note("fitting a prior to codes of the training examples")
        if improves:
            improve_prior(model, self.data, module.options.seed, seen)
        fit_afterwards(model, self.data, module.options.seed, seen)
        return module.history

    def _train(self, module: TrainingModule, trainer: Trainer, start: Path | None) -> None:
        with quiet(), interruptible(), restoring(start, self.begun):
            trainer.fit(module, ckpt_path=start, weights_only=True)


def _take_best(module: TrainingModule, folder: Path) -> None:
    """Goes back to the weights that were best, and to their mean as it was then."""
    best = folder / "best.ckpt"
    if best.exists():
        module.load_state_dict(read_checkpoint(best)["state_dict"])


def _begin(module: TrainingModule, phase: Phase, number: int, fit: bool) -> None:
    """Changes what a phase changes; the other processes get the weights of the first."""
    seed = module.options.seed
    for model in {module.model, module.kept}:
        enter(model, phase, seed + number)
    if module.average is not None:
        module.average.requires_grad_(False)
    if phase.prior is not None and fit:
        fit_new_prior(module.model, module.data, seed + number)
        module.kept.prior.load_state_dict(module.model.prior.state_dict())


def prepare(
    model: VAE,
    data: Splits,
    options: TrainingOptions,
    folder: str | Path | None = None,
    resume: bool = False,
    *,
    terms: Mapping[str, WeightedTerm] | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | Sequence[Logger] | None = None,
    config: Path | None = None,
    fit_prior: bool = False,
) -> Prepared:
    """Refuses what does not go together, before anything is written; arguments as for `train`.

    `config` is the file of a run's options, from which advice can start; with `fit_prior` the
    model of a table gets an autoregressive prior afterwards, where that helps.

    Raises:
        ValueError: Saying what does not fit.
    """
    if len(data.train) < 1:
        raise TrainingError("`data` must have training examples, got none.")
    if tuple(data.shape) != model.shape:
        raise TrainingError(
            f"`data` must have shape {model.shape} to suit the model, got {tuple(data.shape)}."
        )
    require_savable(model)
    _require_support(model, data)
    if options.processes > 1:
        _require_rows_apart(model, options)
    if folder is None:
        place, log = Path(tempfile.gettempdir()) / f"discretevae-{uuid4().hex}", logger or False
    else:
        place, log = Path(folder), logger or _tensorboard(Path(folder))
    begun = Stepped()
    options = by_rule(options, len(data.train))
    parts, later = options.parts(), dict(enumerate(options.later, 2))

    def make(
        number: int, before: TrainingModule | None = None, model: VAE = model
    ) -> tuple[TrainingModule, Trainer]:
        part, phase = parts[number - 1], number if later else None
        trainer = _trainer(model, data, part, place, phase, log, [begun, *callbacks])
        return TrainingModule(model, data, part, terms, config, phase, before), trainer

    reached = _reached(place, later) if resume else 1
    for number, phase in later.items():
        if number <= reached:
            enter(model, phase, options.seed + number)
    module, trainer = make(reached)
    left = {number: phase for number, phase in later.items() if number > reached}
    if left:
        _require_phases(deepcopy(model), left, options, make)
    if options.processes > 1:
        _require_terms_apart(module, options)
    start = _checked_start(module, place) if resume else None
    kept = folder is not None
    return Prepared(model, data, module, trainer, place, start, begun, kept, fit_prior, make, left)


def checkpoints_of(folder: Path, phase: int | None) -> Path:
    """Finds the checkpoints of one part of a training in the folder of its run.

    Example:
        >>> checkpoints_of(Path("runs/demo"), 2).as_posix()
        'runs/demo/checkpoints/phase-2'
    """
    place = folder / "checkpoints"
    return place if phase in (None, 1) else place / f"phase-{phase}"


def _reached(folder: Path, later: Iterable[int]) -> int:
    """Finds the last part of a training that has a checkpoint."""
    begun = (n for n in later if (checkpoints_of(folder, n) / "last.ckpt").exists())
    return max(begun, default=1)


def _require_phases(
    tried: VAE, left: Mapping[int, Phase], options: TrainingOptions, make: Any
) -> None:
    """Tries on a copy of the model what the phases that are left change of it."""
    for number, phase in left.items():
        try:
            enter(tried, phase, options.seed + number)
            module, _ = make(number, model=tried)
            module.set_scheduled(0)
            tried.require_trainable()
            if options.processes > 1:
                _require_rows_apart(tried, options)
        except ValueError as error:
            raise TrainingError(
                f"`phases` must all suit the model, got phase {number}: {error}"
            ) from None


def _start(model: VAE, data: Splits) -> None:
    """Starts a new model where its likelihood asks for it; the same in every process."""
    some = data.train.take(slice(0, STARTED_ON)).values()
    some = data.binarizer.draw(some, torch.Generator(some.device).manual_seed(0))
    model.start_at(some.to(model.device, model.dtype))


class Stepped(Callback):
    """Tells whether a run has made a step since it was started."""

    stepped = False

    def on_train_batch_end(self, *_: Any) -> None:
        self.stepped = True


@contextmanager
def restoring(start: Path | None, begun: Stepped) -> Iterator[None]:
    """Says in a sentence that a checkpoint's state does not fit, which the first step shows."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError) as error:
        if start is None or begun.stepped or "memory" in str(error):
            raise
        reason = shorten((str(error).strip().splitlines() or ["no reason"])[0])
        raise CheckpointError(
            f"`{start}` must hold the state of this run's training, got another: {reason}"
        ) from None


def _checked_start(module: TrainingModule, folder: Path) -> Path | None:
    """Finds the checkpoint to go on from, if the run has come to one, and checks that it fits."""
    path = checkpoints_of(folder, module.phase) / "last.ckpt"
    if not path.exists():
        return None
    checkpoint = read_checkpoint(path)
    _require_fits(checkpoint, module, path)
    best = path.with_name("best.ckpt")
    if best.exists():  # needed at the end, and refused now
        _require_fits(read_checkpoint(best), module, best)
    history, epochs = checkpoint["history"], module.budget.epochs
    of_part = [row["epoch"] for row in history if row.get("phase") == module.phase]
    before = [row["epoch"] for row in history if row.get("phase") != module.phase]
    done = int(max(of_part, default=0) - max(before, default=0))
    if _epochs_completed(checkpoint) not in (done - 1, done):  # saved before the last is counted
        raise CheckpointError(f"`{path}` must be of the {done} epochs that its history has.")
    if done > epochs:
        raise TrainingError(
            f"`epochs` must be at least the {done} that the run has done, got {epochs}."
        )
    if history:
        _require_same_terms(module, history[-1])
    return path


def _epochs_completed(checkpoint: dict[str, Any]) -> Any:
    """Finds what Lightning counts by."""
    try:
        return checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"]
    except (LookupError, TypeError):
        return None


def _require_same_terms(module: TrainingModule, row: Mapping[str, float]) -> None:
    measured = {name.removeprefix("train_") for name in row if name.startswith("train_")}
    before, now = measured - {"objective", "elbo"}, {term.name for term in module.terms.values()}
    if before != now:
        raise TrainingError(
            f"`terms` must stay as the run has them ({', '.join(sorted(before)) or 'none'}), "
            f"got {', '.join(sorted(now)) or 'none'}."
        )


def _trainer(
    model: VAE,
    data: Splits,
    options: TrainingOptions,
    folder: Path,
    phase: int | None,
    logger: Logger | Sequence[Logger] | bool,
    callbacks: Sequence[Callback],
) -> Trainer:
    """Asks Lightning whether it can train so here.

    Raises:
        TrainingError: If it cannot.
    """
    try:
        with quiet():
            return Trainer(
                max_epochs=options.epochs,
                accelerator=options.accelerator,
                devices=options.devices,
                num_nodes=options.num_nodes,
                strategy=_strategy(model, options),
                use_distributed_sampler=False,  # each process takes its rows of every batch
                precision=options.precision,  # type: ignore[arg-type]
                logger=logger,
                callbacks=[*_callbacks(data, options, folder, phase), *callbacks],
                plugins=[AtomicCheckpointIO(checkpoints_of(folder, phase))],
                enable_progress_bar=options.progress_bar and is_redrawn(),
                enable_model_summary=False,
                reload_dataloaders_every_n_epochs=1,
                log_every_n_steps=10**9,  # every figure is one an epoch, none on the hot path
                num_sanity_val_steps=0,
            )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise TrainingError(
            f"`accelerator` must be one that works here with {options.devices} device(s) and "
            f"{options.precision}, got {options.accelerator!r}: {error}"
        ) from None


def _strategy(model: VAE, options: TrainingOptions) -> str:
    """Says how processes share work; a prior that is fitted afterwards has no gradient before."""
    if options.processes == 1 or model.fitted_afterwards is None:
        return "auto"
    return "ddp_find_unused_parameters_true"


def _callbacks(
    data: Splits, options: TrainingOptions, folder: Path, phase: int | None
) -> Iterator[Callback]:
    monitor = "validation_elbo" if len(data.validation) else None
    yield MetricsCSV(folder / "metrics.csv")
    yield BestAndLast(checkpoints_of(folder, phase), monitor)
    if monitor and options.patience:
        yield Stopping(monitor, -(-options.patience // (options.measured_every or 1)))
    if options.progress_bar:
        yield ProgressBar(refresh_rate=50) if is_redrawn() else Lines()
        yield Estimate("training" if phase is None else f"phase {phase}")


class Stopping(EarlyStopping):
    """Stops once the validation ELBO has not improved for `patience` measurements."""

    def __init__(self, monitor: str, patience: int) -> None:
        super().__init__(
            monitor,
            patience=patience,
            mode="max",
            check_on_train_epoch_end=True,
            check_finite=False,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        if pl_module.measured:
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Leaves a run alone that had stopped when it was interrupted."""
        trainer.should_stop |= self.wait_count >= self.patience


class MetricsCSV(Callback):
    """Writes the history as a whole after every epoch, so that a resumed run has it all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            write_history(self.path, pl_module.history)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.on_train_epoch_start(trainer, pl_module)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Writes one row an epoch; nothing before the first. What a row has not is NaN."""
    if history:
        names = dict.fromkeys(name for row in history for name in row)
        with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(names), restval="nan")
            writer.writeheader()
            writer.writerows(history)


def _tensorboard(folder: Path) -> Logger | bool:
    if find_spec("tensorboard") is None:
        return False
    return TensorBoardLogger(folder, name="", version="tensorboard")


def _require_support(model: VAE, data: Splits) -> None:
    draws = torch.Generator().manual_seed(0)
    for examples in (data.train, data.validation, data.test):
        for x, _ in examples.in_order(rows_at_once(examples.shape, CHUNK)):
            _require_likelihood(model, data, data.binarizer.draw(x, draws))
            if not model.network.takes_gaps and bool(x.isnan().any()):
                raise TrainingError(
                    '`network` must take missing cells, as "auto" does for a table, '
                    f"got {model.network.describe()}."
                )
            if data.binarizer.binary:  # all alike
                break


def _require_likelihood(model: VAE, data: Splits, x: torch.Tensor) -> None:
    try:
        model.likelihood.check(x)
    except ValueError:
        kind = model.likelihood.name if data.likelihood is None else data.likelihood["kind"]
        if kind == model.likelihood.name:
            raise
        raise TrainingError(
            f"`model` must have the likelihood of these data, likelihood=data.likelihood ({kind}), "
            f"got {model.likelihood.name}."
        ) from None


def _require_rows_apart(model: VAE, options: TrainingOptions) -> None:
    """Refuses what looks at a whole batch, of which each process has only some rows."""
    if model.free_bits:
        raise TrainingError(
            "`devices` must be 1 with `free_bits`, whose floor is for the mean of a batch, "
            f"got {options.processes}."
        )
    for estimator in model.estimators:
        if estimator.learns:
            raise TrainingError(
                f"`devices` must be 1 with {type(estimator).__name__}, which learns from whole "
                f"batches, got {options.processes}."
            )


def _require_terms_apart(module: TrainingModule, options: TrainingOptions) -> None:
    for name, term in module.terms.items():
        if term.whole_batch:
            raise TrainingError(
                f"`devices` must be 1 with {name}, which compares the rows of a batch with each "
                f"other, got {options.processes}."
            )


def _require_fits(checkpoint: dict[str, Any], module: TrainingModule, path: Path) -> None:
    expected = {name: value.shape for name, value in module.state_dict().items()}
    found = {name: value.shape for name, value in checkpoint["state_dict"].items()}
    if expected != found:
        raise CheckpointError(f"`{path}` must hold weights that fit this model, got others.")


@contextmanager
def interruptible() -> Iterator[None]:
    """Passes Ctrl-C on, which Lightning turns into an exit with the signal switched off."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Lightning's advertisements and hints for other set-ups out of the terminal.

    And what the thread that writes TensorBoard's log says of a full disk: training ends with it.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    hook = threading.excepthook
    threading.excepthook = lambda args: None if isinstance(args.exc_value, OSError) else hook(args)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        threading.excepthook = hook
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
