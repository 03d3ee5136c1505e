"""A sparse autoencoder's latents, one after the other: what each is of, and what it does."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from discretevae.data.activations import Activations
from discretevae.evaluation.figure import Figure, mean_figure
from discretevae.evaluation.sparse import Latents, Replace, look_at
from discretevae.experiments.sparse_run import Shown
from discretevae.pages.explorer.subject import ExplorerError
from discretevae.pages.latent_examples import LatentShown, as_sign, in_sight, latents_shown
from discretevae.sparse import SparseAutoencoder, scale_latent

__all__ = ["ORDERS", "Foretold", "LatentSubject", "Reader"]

EXAMPLES = 12
"""Strongest examples of each latent."""
FORETOLD = 6
"""Of these, those after which is shown what the network foretells."""
LIKELY = 5
"""Most probable signs that are shown."""
HELD_OUT = 1
"""Batches of held-out text on which a latent's effect is measured."""

ORDERS: dict[str, Callable[[Latents], Tensor]] = {
    "effect": lambda of: of.effect.argsort(descending=True, stable=True),
    "density": lambda of: of.density.argsort(descending=True, stable=True),
    "number": lambda of: torch.arange(len(of.density)),
}
"""Name → the order in which latents are listed."""


@runtime_checkable
class Reader(Protocol):
    """A network whose activations are taken apart, and what it foretells from them."""

    @property
    def signs(self) -> Sequence[str]:
        """What may follow."""

    def foretold(self, rows: Int64[Tensor, " n"], replace: Replace) -> Float[Tensor, "n V"]:
        """Gives log-probabilities of the sign after each row, its activations replaced."""

    def scored(self, replace: Replace) -> Iterable[tuple[Tensor, Tensor]]:
        """Gives logits and targets of held-out text, batch by batch."""


class Foretold(NamedTuple):
    """What a network foretells after an example: as it is, and with a latent changed."""

    row: int
    after: str
    before: list[tuple[str, str]]
    changed: list[tuple[str, str]]
    kl: str


@dataclass(frozen=True, eq=False)
class LatentSubject:
    """An autoencoder and the activations that a person looks at it with.

    Arguments:
        model: For activations as they are.
        data: All of them.
        of: What is known of each latent.
        shown: What rows are of.
        reader: The network, where it is at hand.
    """

    model: SparseAutoencoder
    data: Activations
    of: Latents
    shown: Shown
    reader: Reader | None = None

    @classmethod
    def look(
        cls,
        model: SparseAutoencoder,
        data: Activations,
        shown: Shown,
        reader: Reader | None = None,
    ) -> "LatentSubject":
        """Goes once through the activations.

        Raises:
            ExplorerError: If the model does not take such activations.

        Example:
            >>> from discretevae.data.activations import load_activations
            >>> from discretevae.sparse import TopKAutoencoder
            >>> data = load_activations(torch.randn(100, 4))
            >>> subject = LatentSubject.look(TopKAutoencoder(4, 8, 2).eval(), data, Shown())
            >>> len(subject.order("density"))
            8
        """
        if (data.dim, data.dim_out) != (model.dim, model.dim_out):
            found = " to ".join(str(n) for n in (data.dim, data.dim_out) if n)
            raise ExplorerError(
                f"`RUN` must have activations of {model.dim} numbers, as its model takes, "
                f"got {found}."
            )
        return cls(model, data, look_at(model, data, EXAMPLES), shown, reader)

    def order(self, by: str) -> list[int]:
        """Lists all latents."""
        found: list[int] = ORDERS[by](self.of).tolist()
        return found

    def latent(self, number: int) -> LatentShown:
        """Gives what there is to see of one."""
        (found,) = latents_shown(self.model, self.data, self.of, torch.tensor([number]), self.shown)
        return found

    def peak(self, number: int) -> str:
        """The token of the strongest example, if rows are tokens."""
        row = int(self.of.rows[number, 0])
        known = self.shown.tokens is not None and row >= 0
        return as_sign(self.shown.tokens[row]) if known else ""  # type: ignore[index]

    def foretold(self, number: int, times: float) -> list[Foretold]:
        """Says what the network foretells after the strongest examples, before and after."""
        rows = self.of.rows[number]
        rows = rows[rows >= 0][:FORETOLD]
        if self.reader is None or not len(rows):
            return []
        as_is = self.reader.foretold(rows, lambda x: x).double()
        changed = self.reader.foretold(rows, self._scaled(number, times)).double()
        kl = (as_is.exp() * (as_is - changed)).sum(1)
        return [
            Foretold(
                int(row),
                self.peak_of(int(row)),
                self._likely(p),
                self._likely(q),
                f"{max(float(moved), 0.0):.3f}",
            )
            for row, p, q, moved in zip(rows, as_is, changed, kl, strict=True)
        ]

    def peak_of(self, row: int) -> str:
        """The token of a row and the few before it."""
        tokens = self.shown.tokens or ()
        return in_sight("".join(tokens[max(0, row - 11) : row + 1]))

    def moved(self, number: int, times: float) -> dict[str, Figure]:
        """Measures what becomes of held-out text: KL and the rise of cross-entropy, in nats."""
        if self.reader is None:
            return {}
        kl, rise = [], []
        kinds: tuple[Replace, ...] = (lambda x: x, self._scaled(number, times))
        runs = [islice(self.reader.scored(replace), HELD_OUT) for replace in kinds]
        for (as_is, targets), (changed, _) in zip(*runs, strict=True):
            p, q = as_is.double().log_softmax(-1), changed.double().log_softmax(-1)
            kl.append((p.exp() * (p - q)).sum(1))
            rise.append((p - q).gather(1, targets[:, None])[:, 0])
        unit = "nats per token"
        return {
            "kl": mean_figure(torch.cat(kl), unit),
            "ce_rise": mean_figure(torch.cat(rise), unit),
        }

    def _scaled(self, number: int, times: float) -> Replace:
        if not (math.isfinite(times) and times >= 0):
            raise ValueError(f"`times` must be at least 0, got {times}.")
        return lambda x: scale_latent(self.model, x, number, times)

    def _likely(self, log_p: Float[Tensor, " V"]) -> list[tuple[str, str]]:
        assert self.reader is not None
        top = log_p.exp().topk(min(LIKELY, len(log_p)))
        return [
            (as_sign(self.reader.signs[int(i)]), f"{float(p):.0%}")
            for p, i in zip(top.values, top.indices, strict=True)
        ]


def as_row(subject: LatentSubject, number: int) -> dict[str, Any]:
    """A latent as a list has it."""
    density = float(subject.of.density[number])
    return {
        "number": number,
        "density": f"{density:.2%}" if density else "never",
        "peak": subject.peak(number),
    }
