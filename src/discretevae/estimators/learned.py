"""Estimators that learn: parameters of their own, and their own steps of Adam."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from discretevae.estimators.estimator import Estimator
from discretevae.latents import require_sizes

__all__ = ["LearnedEstimator", "MovingMoments", "bounded"]

BETAS, EPSILON = (0.9, 0.999), 1e-8


class LearnedEstimator(nn.Module, Estimator):
    r"""Lowers a loss of its own while it estimates: a baseline's error, its own variance.

    An estimate uses the parameters as earlier batches left them, so that they do not depend on
    its sample; the step comes after it, in training mode and while gradients are recorded. The
    parameters ask for no gradient outside that step: no optimiser of a model moves them. They and
    Adam's moments, which are buffers, are part of the state of a model that holds the estimator.

    Subclasses fill :meth:`build` and write their estimate as

        with self.recording():
            ...
            self.descend(loss)

    Arguments:
        learning_rate: Of its Adam, positive.

    Raises:
        ValueError: If `learning_rate` is not positive.

    Reference: Kingma & Ba, Adam, 2015, algorithm 1.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        if not learning_rate > 0:
            raise ValueError(f"`learning_rate` must be positive, got {learning_rate}.")
        self.learning_rate = learning_rate
        self.sizes: tuple[int, int] | None = None
        self.moments: Float[Tensor, "2 P"]
        self.steps: Float[Tensor, ""]

    @abstractmethod
    def build(self, num_latents: int, num_categories: int) -> None:
        """Makes the parameters for codes of these sizes."""

    def prepare(self, num_latents: int, num_categories: int) -> None:
        require_sizes(num_latents, num_categories)
        sizes = (num_latents, num_categories)
        if self.sizes is None:
            with torch.random.fork_rng(devices=[]):
                # The same start, whatever was drawn before; `torch.manual_seed` would also seed
                # the accelerators, which `fork_rng` does not set back here.
                torch.default_generator.manual_seed(0)
                self.build(*sizes)
            self.requires_grad_(False)
            count = sum(parameter.numel() for parameter in self.parameters())
            self.register_buffer("moments", torch.zeros(2, count))
            self.register_buffer("steps", torch.tensor(0.0))
            self.sizes = sizes
        if self.sizes != sizes:
            raise ValueError(
                f"`logits` must end in D × K = {self.sizes[0]} × {self.sizes[1]}, for which "
                f"{type(self).__name__} has learned, got {sizes[0]} × {sizes[1]}."
            )

    def prepare_for(self, logits: Float[Tensor, "*B D K"]) -> None:
        """Prepares for the sizes of these logits, on their device."""
        if self.sizes != tuple(logits.shape[-2:]):
            self.prepare(*logits.shape[-2:])
            self.to(logits.device)

    @property
    def learns(self) -> bool:
        """Whether an estimate is followed by a step."""
        return self.training and torch.is_grad_enabled()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Records the graph of the estimator's own parameters where it learns."""
        self.requires_grad_(self.learns)
        try:
            yield
        finally:
            self.requires_grad_(False)

    def descend(self, loss: Float[Tensor, ""]) -> None:
        """Takes a step of Adam down `loss`, within :meth:`recording`; nothing in evaluation."""
        if not self.learns:
            return
        parameters = list(self.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            gradient = parameters_to_vector(gradients)
            self.steps = self.steps + 1
            powers = torch.stack([gradient, gradient.square()])
            betas = torch.tensor(BETAS, device=powers.device)[:, None]
            self.moments = betas * self.moments + (1 - betas) * powers
            mean, square = self.moments / (1 - betas**self.steps)
            step = self.learning_rate * mean / (square.sqrt() + EPSILON)
            vector_to_parameters(parameters_to_vector(parameters) - step, parameters)


class MovingMoments(nn.Module):
    r"""Location m and spread σ of f over *earlier* batches, as exponential moving averages.

    They are 0 and 1 before the first batch; σ is 1 where f has not varied.

    Arguments:
        decay: In [0, 1).

    Raises:
        ValueError: If `decay` lies outside [0, 1).

    Example:
        >>> moments = MovingMoments()
        >>> moments.remember(torch.tensor([[-90.0, -94.0]]))
        >>> [round(number.item(), 3) for number in moments()]
        [-92.0, 2.0]
    """

    def __init__(self, decay: float = 0.95) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        self.decay = decay
        self.averages: Float[Tensor, "3"]
        self.register_buffer("averages", torch.zeros(3))  # of f, of f², of one

    def forward(self) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        tiny = torch.finfo(self.averages.dtype).tiny
        mean, square = self.averages[:2] / self.averages[2].clamp_min(tiny)
        spread = (square - mean.square()).clamp_min(0).sqrt()
        return mean, torch.where(spread > 0, spread, torch.ones_like(spread))

    def remember(self, value: Float[Tensor, "S *B"]) -> None:
        """Takes in the values of a batch, after its estimate has used the moments."""
        value = value.detach()
        moments = torch.stack([value.mean(), value.square().mean(), torch.ones_like(value.mean())])
        new = (1 - self.decay) * moments.to(self.averages.dtype)
        self.averages = self.decay * self.averages + new


def bounded(x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
    """Keeps extreme logits from saturating a network."""
    return x.clamp(-10, 10)
