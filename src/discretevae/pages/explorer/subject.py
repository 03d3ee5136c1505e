"""What is explored: a model, examples to start from, and the codes of training examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.data import Examples, Splits, generator
from discretevae.experiments.shown import contexts_of, shown
from discretevae.models import VAE
from discretevae.pages.explorer.display import Pictures, Texts, display_of

__all__ = [
    "TRAINING",
    "ExplorerError",
    "Neighbours",
    "Occurrences",
    "Subject",
    "changes",
    "nearest_codes",
    "require_explorable",
]

TRAINING = 10_000
"""Training examples whose codes are compared."""
STARTS = 200
"""Held-out examples to start from."""
ROWS = 500
"""Observations that go through a network together."""
PROBABLE = 200
"""Held-out examples, or samples, whose range of values says what is black and what is white."""


class ExplorerError(ValueError):
    """Raised where a model cannot be explored."""


def require_explorable(model: VAE) -> VAE:
    """Refuses a model whose code is not class indices and nothing else.

    Raises:
        ExplorerError: Naming what the model is.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> require_explorable(DiscreteVAE((3,))).chain.width
        4
    """
    if not (model.codes_are_classes or (model.grids and model.codes_say_all)):
        raise ExplorerError(
            "`RUN` must be of a discrete model, whose code is categories alone, to be explored, "
            f"got a {model.kind}."
        )
    return model


class Occurrences(NamedTuple):
    """Where a code stands on the grids of training examples.

    Arguments:
        example: Which of them.
        place: The latent that has it: a position of a grid.
        found: How many examples have it anywhere.
    """

    example: Int[Tensor, " n"]
    place: Int[Tensor, " n"]
    found: int


class Neighbours(NamedTuple):
    """The nearest codes: where they stand, and in how many latents each differs."""

    place: Int[Tensor, " n"]
    distance: Int[Tensor, " n"]
    same: int
    """How many of all codes are this very one."""


def nearest_codes(
    code: Int[Tensor, " D"], codes: Int[Tensor, "N D"], count: int, where: Tensor | None = None
) -> Neighbours:
    """Finds the codes that differ from `code` in the fewest latents, the first ones first.

    Arguments:
        code: To be near to.
        codes: To choose from.
        count: How many, at most.
        where: Which of them may be chosen, (N,); all by default.

    Example:
        >>> codes = torch.tensor([[0, 0], [1, 2], [1, 0], [1, 2]])
        >>> found = nearest_codes(torch.tensor([1, 2]), codes, 3)
        >>> found.place.tolist(), found.distance.tolist(), found.same
        ([1, 3, 2], [0, 0, 1], 2)
    """
    distance = (codes != code).sum(-1)
    index = torch.arange(len(codes)) if where is None else where.nonzero()[:, 0]
    order = index[distance[index].argsort(stable=True)]
    same = int((distance[index] == 0).sum())
    return Neighbours(order[:count], distance[order[:count]], same)


@dataclass(frozen=True, eq=False)
class Subject:
    """A discrete model and the examples that a person looks at it with.

    Arguments:
        model: What is explored.
        display: How observations are seen.
        starts: Held-out examples, as the model sees them.
        training: The first training examples, as the model sees them.
        codes: Of `training`.
        conditions: What p(x|c) may be given, or a single None.
        names: Of the conditions.
        classes: The name of each label, where labels have names.
    """

    model: VAE
    display: Pictures | Texts
    starts: Examples
    training: Examples
    codes: Int[Tensor, "N D"]
    conditions: Sequence[Tensor | None] = (None,)
    names: Sequence[str] = ("",)
    classes: Sequence[str] | None = None

    @classmethod
    def of(cls, model: VAE, data: Splits, training: int = TRAINING) -> "Subject":
        """Takes examples from the data of a run.

        Arguments:
            model: Of the run.
            data: Of the run.
            training: At most how many training examples to compare codes with.

        Raises:
            ExplorerError: If the model is no plain discrete one.

        Example:
            >>> from discretevae.data import load
            >>> data = load("digits", binarize="threshold", limit=50)
            >>> from discretevae.models import DiscreteVAE
            >>> subject = Subject.of(DiscreteVAE(data.shape, 3, 4), data)
            >>> subject.codes.shape, len(subject.starts)
            (torch.Size([50, 3]), 50)
        """
        model = require_explorable(model)
        starts = shown(data).examples.take(slice(STARTS))
        observed = _observed(data, training)
        found: dict[str, Any] = {}
        if model.context_shape is not None:
            contexts = contexts_of(shown(data).examples, data.classes)
            found = {"conditions": contexts.values, "names": contexts.names}
            starts = _of_conditions(starts, contexts.values)
        display = display_of(model, starts.values(slice(PROBABLE)))
        codes = _encode(model, observed)
        return cls(model, display, starts, observed, codes, **found, classes=data.classes)

    @classmethod
    @torch.no_grad()
    def of_prior(cls, model: VAE, seed: int) -> "Subject":
        """Takes no example: what there is to start from are samples of the prior.

        Raises:
            ExplorerError: If the model is no plain discrete one.
            ValueError: If it is of p(x|c), whose conditions are those of data.

        Example:
            >>> from discretevae.models import DiscreteVAE
            >>> len(Subject.of_prior(DiscreteVAE((1, 8, 8), 3, 4), seed=0).starts)
            0
        """
        model = require_explorable(model)
        if model.context_shape is not None:
            raise ValueError("`data` must be given for a model of p(x|c), got none.")
        codes = model.sample_codes(PROBABLE, torch.Generator().manual_seed(seed)).long()
        x = model.likelihood.point(model.decode(codes))
        none = Examples(x[:0])
        return cls(model, display_of(model, x), none, none, codes[:0])

    @property
    def num_latents(self) -> int:
        """D."""
        return self.model.chain.width

    @property
    def num_categories(self) -> int:
        """K, the most of all latents."""
        return max(self.model.chain.classes or [1])

    def grid_of(self, latent: int) -> tuple[int, int, int]:
        """Gives the first latent of the grid on which this one stands, and its rows and columns.

        Raises:
            ValueError: If the latents stand on none.
        """
        first = 0
        for rows, columns in self.model.grids:
            if latent < first + rows * columns:
                return first, rows, columns
            first += rows * columns
        raise ValueError(f"`latent` must stand on a grid, got {latent}.")

    def most_used(self, latent: int, count: int) -> list[int]:
        """Gives the categories that training examples have most often at a latent's place."""
        often = torch.bincount(self.codes[:, latent], minlength=self.num_categories)
        return sorted(often.argsort(descending=True, stable=True)[:count].tolist())

    def occurrences(self, latent: int, category: int, count: int) -> Occurrences:
        """Finds training examples with a code anywhere on the grid of a latent."""
        first, rows, columns = self.grid_of(latent)
        there = self.codes[:, first : first + rows * columns] == category
        found = there.any(1).nonzero()[:, 0]
        some = found[:count]
        return Occurrences(some, first + there[some].int().argmax(1), len(found))

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "N D"], condition: int = 0) -> Float[Tensor, "N *shape"]:
        """Gives the observation that stands for each code."""
        c = self.conditions[condition]
        parts = codes.split(ROWS)
        contexts = [None if c is None else c.expand(len(part), *c.shape) for part in parts]
        points = [
            self.model.likelihood.point(self.model.decode(part, context))
            for part, context in zip(parts, contexts, strict=True)
        ]
        return torch.cat(points)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, " *shape"], condition: int = 0) -> Int[Tensor, " D"]:
        """Gives the most probable code of one observation.

        Raises:
            ValueError: If the observation is none of the model's.
        """
        self.model.likelihood.check(x[None])
        c = self.conditions[condition]
        return self.model.encode(x[None], context=None if c is None else c[None])[0]

    @torch.no_grad()
    def sample(self, generator: torch.Generator, condition: int = 0) -> Int[Tensor, " D"]:
        """Draws a code from the prior."""
        c = self.conditions[condition]
        context = None if c is None else c[None]
        return self.model.sample_codes(1, generator, context)[0].long()

    def neighbours(self, code: Int[Tensor, " D"], count: int, condition: int = 0) -> Neighbours:
        """Finds the training examples with the nearest codes, of the same condition."""
        c, where = self.conditions[condition], None
        if c is not None and self.training.context is not None:
            where = (self.training.context == c).flatten(1).all(-1)
        return nearest_codes(code, self.codes, count, where)

    def condition_of(self, examples: Examples, i: int) -> int:
        """Finds the condition of a start or a neighbour among those to choose from."""
        if examples.context is None:
            return 0
        equal = [torch.equal(examples.context[i], c) for c in self.conditions if c is not None]
        return equal.index(True)

    def name_of_start(self, i: int) -> str:
        """Says which of the starts it is, and of which class."""
        label = self.label_of(self.starts, i)
        return f"example {i + 1}" + (f", of class {label}" if label else "")

    def label_of(self, examples: Examples, i: int) -> str:
        """Names the class of an example, if it is known."""
        if examples.labels is None:
            return ""
        label = int(examples.labels[i])
        return self.classes[label] if self.classes and label >= 0 else str(label)


def changes(code: Int[Tensor, " D"], latent: int, categories: Sequence[int]) -> Tensor:
    """Lists a code with a latent set to each of some categories: (categories, D).

    Example:
        >>> changes(torch.tensor([2, 0]), 1, [0, 2]).tolist()
        [[2, 0], [2, 2]]
    """
    changed = code.repeat(len(categories), 1)
    changed[:, latent] = torch.tensor([*categories])
    return changed


def _observed(data: Splits, count: int) -> Examples:
    """Training examples with their draws, if they are random, made once."""
    some = data.train.take(slice(count))
    return data.binarizer.prepare_evaluation(some, generator("observed", 0))


def _of_conditions(examples: Examples, conditions: Sequence[Tensor | None]) -> Examples:
    """Keeps the examples that have one of these conditions."""
    assert examples.context is not None
    contexts = examples.context
    equal = [contexts.eq(c).flatten(1).all(-1) for c in conditions if c is not None]
    return examples.take(torch.stack(equal).any(0).nonzero()[:, 0])


@torch.no_grad()
def _encode(model: VAE, examples: Examples) -> Int[Tensor, "N D"]:
    parts = [slice(i, i + ROWS) for i in range(0, len(examples), ROWS)]
    context, none = examples.context, torch.zeros(0, model.chain.width, dtype=torch.int64)
    return torch.cat(
        [none]
        + [
            model.encode(examples.values(part), context=None if context is None else context[part])
            for part in parts
        ]
    )
