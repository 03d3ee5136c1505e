"""The Lightning module of a sparse autoencoder."""

import math
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer

from discretevae.data.activations import Activations
from discretevae.data.seeding import generator
from discretevae.sparse import DeadCount, SparseAutoencoder
from discretevae.sparse.dead import resample
from discretevae.sparse.products import decoded
from discretevae.training.feed import Feed
from discretevae.training.module import NonFiniteError, QuickModule
from discretevae.training.schedules import Schedule, linear, warmed_up
from discretevae.training.sparse_options import SparseOptions, sparse_budget

__all__ = ["SparseModule"]

STARTED_ON = 32_768
"""Activations by which an autoencoder is started, and calibrated in the end."""
MEASURED = 4096
"""Activations held out on which each round is measured."""
AVERAGE = 0.999
"""Of the weights' moving average; less in the first steps."""
EPSILON = 6.25e-10
"""Of Adam."""
PATIENCE, LAST = 2, 0.8
"""So many times as long is a latent dead before it begins anew, in this part of the run."""
WHILE = 0.7
"""The part of a run over which the latents that are active at first become k."""


class SparseModule(QuickModule):
    """Trains a sparse autoencoder on activations scaled so that E‖x‖² = d.

    An epoch of Lightning's is a round of some steps, after which there is a checkpoint. Batches are
    a function of (seed, step), all that is scheduled of the step: a run resumed from the checkpoint
    of a round repeats the next one exactly. k falls, from as many times k as a kind has at first,
    over the first part of a run.

    Arguments:
        model: The autoencoder.
        data: Activations.
        options: How to train.

    Attributes:
        average: The model with the moving average of the weights.
        history: One row a round.
        budget: What the options leave open, by the rule.
    """

    scales: Tensor

    def __init__(self, model: SparseAutoencoder, data: Activations, options: SparseOptions) -> None:
        super().__init__()
        self.model, self.data, self.options = model, data, options
        self.average = deepcopy(model)
        self.budget = sparse_budget(options, len(data.splits.train), model.width)
        self.count = DeadCount(model.width, self.budget.dead_after)
        self.register_buffer("scales", torch.tensor(self._scales()))
        self.feed = Feed(data.splits.train, self.budget.batch_size, options.seed)
        self.rate: Schedule = warmed_up(self.budget.learning_rate, options.steps)
        most = min(model.at_first * model.k, model.width)
        self.k = linear(most, model.k, max(1, int(WHILE * options.steps)))
        self.history: list[dict[str, float]] = []
        self._sums = torch.zeros(3)
        self._seconds, self._started = 0.0, 0.0

    @property
    def measured(self) -> bool:
        """Whether the round that has just ended is in the history."""
        return bool(self.history) and self.history[-1]["epoch"] == self.current_epoch + 1

    @property
    def rounds(self) -> int:
        """How many there are."""
        return -(-self.options.steps // self.budget.measured_every)

    def start(self) -> None:
        """Starts a new model by the first activations."""
        x, y = self.pair(self.data.splits.train.values(slice(0, STARTED_ON)))
        self.model.start_at(x, y)
        self.average.load_state_dict(self.model.state_dict())

    def finished(self) -> SparseAutoencoder:
        """Gives the averaged model, calibrated, for activations as they are."""
        found = deepcopy(self.average).cpu().eval()
        x, _ = self.pair(self.data.splits.train.values(slice(0, STARTED_ON)))
        found.calibrate(x)
        return found.scaled(*self.scales.tolist())

    def pair(self, rows: Float[Tensor, "N f"]) -> tuple[Tensor, Tensor | None]:
        """Parts rows into x and y, scaled."""
        x, y = self.data.pair(rows)
        scales = self.scales.tolist()
        return x * scales[0], None if y is None else y * scales[1]

    def configure_optimizers(self) -> Optimizer:
        return Adam(self.model.parameters(), self.budget.learning_rate, eps=EPSILON, fused=True)

    def train_dataloader(self) -> "Round":
        """Gives the batches of this round; called anew each round."""
        first = self.current_epoch * self.budget.measured_every
        return Round(self.feed, first, min(self.budget.measured_every, self.options.steps - first))

    def earlier(self, name: str) -> float:
        """Nothing of any name, as a training of these has one part."""
        return 0

    def on_train_epoch_start(self) -> None:
        self._sums = torch.zeros(3, device=self.device)
        self._started = time.perf_counter()

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.rate(self.global_step)
        self.model.k = round(self.k(self.global_step))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        x, y = self.pair(batch)
        found = self.model.objective(x, y, self.count.dead)
        target = x if y is None else y
        variance = (target - target.mean(0)).square().sum(-1).mean()
        self._l0, self._seen = float(found.l0), (x, found.error)
        self._sums += torch.stack([found.squared_error, variance, found.l0]).detach()
        self.count.see(found.fired, len(x))
        return found.loss / target.shape[1]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.model.before_step()

    def on_train_batch_end(self, outputs: Any, batch: Tensor, batch_idx: int) -> None:
        self.model.after_step(self._l0)
        self._begin_anew()
        self._follow()

    def _begin_anew(self) -> None:
        """Resamples latents that were not revived, while there is time to learn."""
        latents = (self.count.since >= PATIENCE * self.count.after).nonzero().squeeze(1)
        if len(latents) and self.global_step < LAST * self.options.steps:
            draws = generator("resample", self.options.seed, self.global_step, device=self.device)
            optimizer = self.trainer.optimizers[0]
            resample(self.model, latents, *self._seen, optimizer, draws)
            self.count.since[latents] = 0

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average; what is counted is taken as it is."""
        steps = self.global_step
        weight = 1 - min(AVERAGE, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), weight)
        for mine, its in zip(self.average.buffers(), self.model.buffers(), strict=True):
            mine.copy_(its)

    def on_train_epoch_end(self) -> None:
        self._seconds += time.perf_counter() - self._started
        squared, variance, l0 = self._sums.tolist()
        steps = int(self.trainer.num_training_batches)
        if not math.isfinite(squared):
            raise NonFiniteError(
                f"the squared error must stay finite, got {squared} by step {self.global_step}: "
                "lower --learning-rate."
            )
        held_out = self._held_out()
        row = {
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            "seconds": round(self._seconds, 3),
            "train_fvu": squared / max(variance, 1e-12),
            "train_l0": l0 / steps,
            **held_out,
            "dead": int(self.count.dead.sum()),
            "learning_rate": self.rate(self.global_step),
        }
        self.history.append(row)
        for name in ("train_fvu", "train_l0", "dead"):
            self.log(name, float(row[name]), prog_bar=True, on_step=False, on_epoch=True)

    @torch.no_grad()
    def _held_out(self) -> dict[str, float]:
        """FVU and L0 of the average on a fixed set."""
        rows = self.data.splits.test.values(slice(0, MEASURED)).to(self.device)
        x, y = self.pair(rows)
        target = x if y is None else y
        self.average.eval()
        a, support = self.average.active(x)
        error = target - decoded(a, self.average.W_dec, support) - self.average.b_dec
        self.average.train()
        variance = (target - target.mean(0)).square().sum()
        fvu = float(error.square().sum() / variance.clamp_min(1e-12))
        return {"test_fvu": fvu, "test_l0": len(a) / len(support)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]
        self._seconds = self.history[-1]["seconds"] if self.history else 0.0

    def _scales(self) -> list[float]:
        """What makes the mean of ‖x‖² and of ‖y‖² what their dimensions are."""
        x, y = self.data.pair(self.data.splits.train.values(slice(0, STARTED_ON)))
        parts = [x, x if y is None else y]
        return [float(1 / part.square().mean().sqrt().clamp_min(1e-12)) for part in parts]


class Round:
    """The batches of one round.

    Arguments:
        feed: Where they come from.
        first: The step of the first.
        count: How many there are.
    """

    def __init__(self, feed: Feed, first: int, count: int) -> None:
        self.feed, self.first, self.count = feed, first, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        return self.feed.batches(self.first, self.count)
