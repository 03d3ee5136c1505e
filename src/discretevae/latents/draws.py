"""Random numbers for the rows of a batch, of which a process may have only some."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["SharedGenerator", "draw", "same_again", "successor"]


class SharedGenerator(torch.Generator):
    """A stream that processes share: each keeps the draws of its own rows of a batch.

    All processes draw the numbers of the whole batch, so that together they have those of one
    process that has it all.

    Attributes:
        first: The first row of this process.
        count: How many it has.
        total: The rows of the whole batch.
    """

    first: int
    count: int
    total: int

    def take(self, first: int, count: int, total: int) -> "SharedGenerator":
        """Says which rows of the next batch this process has."""
        self.first, self.count, self.total = first, count, total
        return self


def draw(
    fill: Callable[[Tensor], Tensor],
    shape: tuple[int, ...] | torch.Size,
    rows: int,
    like: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    """Fills a new tensor with draws.

    Arguments:
        fill: Fills a tensor from `generator`, and gives it; or another of its shape.
        shape: Of the tensor.
        rows: The axis of the batch, where there is one, counted from the end; a stream that is
            shared draws for the rows of all processes.
        like: Gives type and device.
        generator: The source of the draws.

    Raises:
        ValueError: If the stream is shared and the axis has another length than its rows.

    Example:
        >>> stream = SharedGenerator().take(first=1, count=2, total=4)
        >>> _ = stream.manual_seed(0)
        >>> half = draw(lambda x: x.uniform_(generator=stream), (2, 3), -2, torch.ones(1), stream)
        >>> whole = torch.empty(4, 3).uniform_(generator=torch.Generator().manual_seed(0))
        >>> bool((half == whole[1:3]).all())
        True
    """
    if not isinstance(generator, SharedGenerator):
        return fill(like.new_empty(shape))  # under `torch.func.vmap`, one for each element
    if len(shape) < -rows or shape[rows] != generator.count:
        raise ValueError(
            "`devices` must be 1 with this model and estimator, whose draws are not one for each "
            f"row of the batch: got shape {tuple(shape)} for {generator.count} rows."
        )
    whole = list(shape)
    whole[rows] = generator.total
    drawn = fill(like.new_empty(whole))
    return drawn.narrow(rows, generator.first, generator.count).contiguous()


def successor(
    generator: torch.Generator | None, seed: int, device: torch.device
) -> torch.Generator:
    """Gives a stream of another seed that is shared as `generator` is."""
    if not isinstance(generator, SharedGenerator):
        return torch.Generator(device).manual_seed(seed)
    stream = SharedGenerator(device)
    stream.manual_seed(seed)
    return stream.take(generator.first, generator.count, generator.total)


@contextmanager
def same_again(generator: torch.Generator | None) -> Iterator[None]:
    """Has the draws made within be made once more afterwards.

    Example:
        >>> with same_again(None):
        ...     first = torch.rand(())
        >>> bool(first == torch.rand(()))
        True
    """
    stream = torch.default_generator if generator is None else generator
    state = stream.get_state()
    try:
        yield
    finally:
        stream.set_state(state)
