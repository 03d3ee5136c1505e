"""What a model asks of a likelihood."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.latents import DEFAULT_BUDGET
from discretevae.schema.columns import Cell, Cells

__all__ = ["Learned", "Likelihood", "LinearLikelihood", "LogProb", "Part"]


LogProb = Callable[[Tensor], Tensor]
Part = tuple[slice, ...]
"""A part of an observation: a slice of each axis."""


class Learned(NamedTuple):
    """What a likelihood's description says of the data that it was learned from.

    Arguments:
        config: The description, without what was left out.
        says: A sentence of what is in it.
        left_out: How many names are not.
    """

    config: dict[str, Any]
    says: str
    left_out: int


class Likelihood(nn.Module, ABC):
    """Turns the decoder's output into a distribution over one observation.

    Arguments:
        event_dims: How many trailing dimensions make one observation.

    Raises:
        ValueError: If `event_dims` is below 1.
    """

    name: ClassVar[str]
    normalised: bool = True
    """False where p(x | h) does not integrate to one over the data it is given."""
    cheap_codes: ClassVar[int] = DEFAULT_BUDGET
    """Up to how many codes log p(x) is summed over where nobody asked for a number of samples."""
    unit: ClassVar[str] = "dimension"
    """What each of the dimensions is called, of which `dimensions` counts those observed."""
    apart: ClassVar[str] = "dimensions"
    """What is independent of each other given h."""
    sequential: ClassVar[bool] = False
    """Whether an observation is written one dimension after the other, as language is."""
    autoregressive: ClassVar[bool] = False
    """Whether what is `apart` elsewhere sees what comes before it, which says much without h."""
    standardised: ClassVar[bool] = False
    """Whether observations are real numbers of any size, which training wants standardised."""
    lossless: bool = False
    """Whether `symbol_logits` says all of an observation, so that it can be coded without loss."""

    def __init__(self, event_dims: int = 1) -> None:
        super().__init__()
        if event_dims < 1:
            raise ValueError(f"`event_dims` must be at least 1, got {event_dims}.")
        self.event_dims = event_dims

    @abstractmethod
    def forward(self, h: Float[Tensor, "*B_and_event"]) -> Distribution:
        """Gives p(x | h), whose `log_prob` is per example."""

    def of_shape(self, shape: tuple[int, ...]) -> "Likelihood":
        """Gives this likelihood for observations of a shape; another where it is of others.

        Raises:
            ValueError: If there is none.
        """
        return self

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Gives the shape of what the decoder must say of an observation of this shape."""
        return shape

    def evaluated(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Gives the shape of the numbers that log p of an observation takes, for memory's sake."""
        return shape

    def suits(self, found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Whether an observation may be found in this shape by a model that is made for another."""
        return found == shape

    def whole(self, x: Float[Tensor, "*B_and_event"]) -> Float[Tensor, "*B_and_shape"]:
        """Gives observations in the shape that the model is made for."""
        return x

    def point(self, p: Distribution) -> Tensor:
        """Gives the one observation that stands for a distribution: its mean."""
        return p.mean

    @torch.no_grad()
    def draw(self, p: Distribution, generator: torch.Generator | None = None) -> Tensor:
        """Draws one observation from a distribution.

        Example:
            >>> from discretevae.likelihoods import LIKELIHOODS
            >>> likelihood = LIKELIHOODS["bernoulli"]()
            >>> p = likelihood(torch.tensor([100.0, -100.0]))
            >>> likelihood.draw(p, torch.Generator().manual_seed(0))
            tensor([1., 0.])
        """
        if generator is None:
            return p.sample()
        device = generator.device
        seed = int(torch.randint(2**62, (), generator=generator, device=device))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)  # distributions take no generator
            return p.sample()

    def dimensions(self, x: Float[Tensor, "*B_and_event"]) -> Int64[Tensor, "*B"]:
        """Counts the dimensions of each observation that were observed; by default all."""
        batch, event = x.shape[: x.ndim - self.event_dims], x.shape[x.ndim - self.event_dims :]
        return torch.full(batch, event.numel(), device=x.device)

    @property
    def header(self) -> tuple[str, ...] | None:
        """The names of the cells that `written` gives; None where observations are no text."""
        return None

    def written(self, x: Float[Tensor, "N *event"]) -> list[list[Cell]]:
        """Gives the cells of each observation, as the file that it came from has them.

        Raises:
            ValueError: If observations are no text.
        """
        raise ValueError(f"`likelihood` must be of tokens or columns, got {self.label}.")

    def shades(self, x: Tensor) -> tuple[float, float]:
        """Gives the values to be shown as black and as white in pictures of these and others."""
        return 0.0, 1.0

    @property
    def table(self) -> Cells | None:
        """How rows of a table are read, whose cells may be missing; None of anything else."""
        return None

    @property
    def symbols(self) -> int:
        """V, how many values a dimension can have where `lossless`: 0, 1 / (V − 1), …, 1."""
        return 2

    def turns(self, shape: tuple[int, ...]) -> list[Part]:
        """Gives the parts of an observation in the order in which they follow from each other."""
        return [(slice(None),) * len(shape)]

    def symbol_logits(
        self,
        p: Distribution,
        before: Float[Tensor, "*B_and_event"] | None = None,
        part: Part | None = None,
    ) -> Float[Tensor, "*B_and_part V"]:
        """Gives the unnormalised log-probability of each value that a dimension can have.

        Arguments:
            p: Of observations.
            before: Observations, of which only what comes before the part is looked at.
            part: One of `turns`, where there are several.

        Raises:
            ValueError: If the dimensions have no such values.
        """
        raise ValueError(f"`likelihood` must have values to count, got {self.label}.")

    @property
    def label(self) -> str:
        """What it is called in tables and reports."""
        return self.name

    def config(self) -> str | dict[str, Any]:
        """Describes the likelihood in plain types: its name, where that says all."""
        return self.name

    def learned(self, x: Float[Tensor, "N *event"], least: int = 0) -> "Learned | None":
        """Tells what the description says of the data; nothing, where it says nothing of them.

        Arguments:
            x: The training examples.
            least: Names that fewer of them have are left out.
        """
        return None

    @property
    def untouched(self) -> bool:
        """Whether it has values of its own that training should start at those of the data."""
        return False

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N *event"]) -> Tensor | None:
        """Takes the values, and gives the h, of the best p(x) that tells no example from others.

        Returns:
            h of one observation; None where p(x | h) has no such h.
        """
        return None

    def without_code(self, seen: Float[Tensor, "N *event"]) -> LogProb | None:
        """Gives log p(x) without any code: of independent dimensions, as `seen` has them.

        Returns:
            A function of observations, in nats each; None where there is no such distribution.
        """
        p = copy.deepcopy(self)
        h = p.start(seen)
        return None if h is None else p(h).log_prob

    @abstractmethod
    def log_prob_pairs(
        self, h: Float[Tensor, "S *event"], x: Float[Tensor, "*B_and_event"]
    ) -> Float[Tensor, "S *B"]:
        """Gives log p(x_b | h_s) in nats for every code s and every example b."""

    @abstractmethod
    def check(self, x: Tensor) -> None:
        """Refuses data outside the support.

        Raises:
            ValueError: Naming the range that is needed and the values received.
        """

    def _flatten(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """Makes matrices (S, F) and (N, F) of codes and examples; also the batch's shape."""
        batch = x.shape[: x.ndim - self.event_dims]
        flat = h.flatten(1)
        return flat, x.reshape(-1, flat.shape[1]), batch


class LinearLikelihood(Likelihood):
    """A likelihood whose log p(x | h) is h·x plus a function of h alone.

    All pairs of codes and examples are then one matrix product.
    """

    def log_prob_pairs(
        self, h: Float[Tensor, "S *event"], x: Float[Tensor, "*B_and_event"]
    ) -> Float[Tensor, "S *B"]:
        at_zero = self(h).log_prob(torch.zeros_like(h)).unsqueeze(1)
        h, x, batch = self._flatten(h, x)
        return (h @ x.T + at_zero).reshape(len(h), *batch)


def smoothed_mean(x: Float[Tensor, "N *event"]) -> Float[Tensor, "*event"]:
    """Gives the mean of each dimension in [0, 1], and half of an example more at either end.

    Example:
        >>> smoothed_mean(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
        tensor([0.8750, 0.3750])
    """
    return (x.sum(0) + 0.5) / (len(x) + 1)


def value_range(x: Tensor) -> str:
    """Words for an error: the smallest and the largest value."""
    return f"values from {float(x.min()):.4g} to {float(x.max()):.4g}"
