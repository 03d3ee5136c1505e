r"""Ways to turn values in [0, 1] into observations in {0, 1}."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float32, Shaped, UInt8
from torch import Generator, Tensor

from .errors import DataError
from .examples import Examples, as_values

__all__ = ["BINARIZERS", "Binarizer"]

Step = Callable[[Tensor, Generator | None], Tensor]


def _bernoulli(x: Shaped[Tensor, "*any"], generator: Generator | None) -> Shaped[Tensor, "*any"]:
    # r < v for r uniform on {0, …, 254} has probability v / 255, five times as fast as
    # torch.bernoulli.
    if x.dtype == torch.uint8:
        uniform = torch.randint(
            0, 255, x.shape, dtype=torch.uint8, generator=generator, device=x.device
        )
    else:
        uniform = torch.rand(x.shape, generator=generator, device=x.device)
    return uniform < x


def _as_levels(bits: Shaped[Tensor, "*any"]) -> UInt8[Tensor, "*any"]:
    return bits.to(torch.uint8).mul_(255)


def _keep(x: Shaped[Tensor, "*any"], generator: Generator | None) -> Shaped[Tensor, "*any"]:
    return x


def _draw_once(x: Shaped[Tensor, "*any"], generator: Generator | None) -> UInt8[Tensor, "*any"]:
    return _as_levels(_bernoulli(x, generator))


def _threshold(x: Shaped[Tensor, "*any"], generator: Generator | None) -> UInt8[Tensor, "*any"]:
    return _as_levels(x >= (127.5 if x.dtype == torch.uint8 else 0.5))


def _draw_anew(x: Shaped[Tensor, "*any"], generator: Generator | None) -> Float32[Tensor, "*any"]:
    return _bernoulli(x, generator).float()


def _scale(x: Shaped[Tensor, "*any"], generator: Generator | None) -> Float32[Tensor, "*any"]:
    return as_values(x)


@dataclass(frozen=True)
class Binarizer:
    r"""Makes observations binary at a named moment; a draw is :math:`\mathrm{Bernoulli}(x)`.

    A draw from values that are 0 and 1 already returns them, so what `prepare_evaluation`
    returned may go through `draw` again.

    Arguments:
        name: Its key in `BINARIZERS`.
        description: One line for a list of options.
        at_load: What happens to the training examples once.
        at_evaluation: What happens to validation and test examples once.
        at_batch: What happens each time a batch is seen; returns float32.
        binary: Whether the observations are in {0, 1}, which asks for values in [0, 1].

    Example:
        >>> grey = Examples(torch.tensor([[0.2, 0.9]]))
        >>> BINARIZERS["threshold"].prepare(grey).values()
        tensor([[0., 1.]])
    """

    name: str
    description: str
    at_load: Step
    at_evaluation: Step
    at_batch: Step
    binary: bool = True

    def prepare(self, examples: Examples, generator: Generator | None = None) -> Examples:
        """Returns the training examples as they are stored; raises DataError outside [0, 1]."""
        if not self.binary:
            return examples
        self._check(examples)
        return replace(examples, x=self.at_load(examples.x, generator))

    def prepare_evaluation(
        self, examples: Examples, generator: Generator | None = None
    ) -> Examples:
        """Returns examples on which figures are reproducible; raises DataError outside [0, 1]."""
        if not self.binary:
            return examples
        self._check(examples)
        return replace(examples, x=self.at_evaluation(examples.x, generator))

    def draw(
        self, x: Shaped[Tensor, " n *shape"], generator: Generator | None = None
    ) -> Float32[Tensor, " n *shape"]:
        """Returns stored observations as a model sees them, (n, *shape)."""
        return self.at_batch(x, generator)

    def _check(self, examples: Examples) -> None:
        x = examples.x
        if x.dtype == torch.uint8 or x.numel() == 0:
            return
        low, high = x.min().item(), x.max().item()
        if not (low >= 0 and high <= 1):  # so that NaN is refused too
            raise DataError(
                f"`binarize`='{self.name}' needs values in [0, 1], got values from {low:g} to "
                f"{high:g}; scale them, store levels 0..255 as uint8, or use 'none'."
            )


BINARIZERS: dict[str, Binarizer] = {
    b.name: b
    for b in (
        Binarizer("fresh", "a new Bernoulli draw each time", _keep, _draw_once, _draw_anew),
        Binarizer("fixed", "one Bernoulli draw, kept", _draw_once, _draw_once, _scale),
        Binarizer("threshold", "1 where the value is ≥ 0.5", _threshold, _threshold, _scale),
        Binarizer("none", "the values as they are", _keep, _keep, _scale, binary=False),
    )
}
