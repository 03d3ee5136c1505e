"""What the layers that choose share: an estimator, whose temperature may change while training."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from torch import nn

__all__ = ["Choice", "Temperature", "Tempering"]

Temperature = float | Callable[[int], float] | None
"""A number, a function of the step of training, or None for the estimator's own."""


@runtime_checkable
class Tempering(Protocol):
    """What a layer asks of its estimator."""

    @property
    def tempered(self) -> bool:
        """Whether it has a temperature."""

    def at_temperature(self, temperature: float) -> Any:
        """Gives the same estimator at another temperature."""


class Choice(nn.Module):
    """A layer without parameters that draws with the gradient of an estimator.

    A temperature that is a function of the step, `discretevae.training.linear(1.0, 0.1, 5000)` or
    any other, is without state, so a resumed run is where it was: :meth:`at_step` says which step
    it is. Setting `temperature` puts an end to the function.

    Arguments:
        estimator: Says how a choice is drawn and what its gradient is.
        temperature: τ > 0, or a function of the step of training that gives it.

    Raises:
        ValueError: If `temperature` is not positive, or given to an estimator that has none.
    """

    def __init__(self, estimator: Tempering, temperature: Temperature = None) -> None:
        super().__init__()
        self.estimator: Any = estimator
        self.schedule: Callable[[int], float] | None = None
        if callable(temperature):
            self.schedule = temperature
            self.at_step(0)
        elif temperature is not None:
            self.temperature = temperature

    @property
    def temperature(self) -> float | None:
        """τ as it stands; None where the estimator has none."""
        return self.estimator.temperature if self.estimator.tempered else None

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        self.schedule = None
        self._set(temperature)

    def at_step(self, step: int) -> None:
        """Takes the temperature of this step of training; a fixed one stays.

        Raises:
            ValueError: If the temperature of the step is not positive.
        """
        if self.schedule is not None:
            self._set(self.schedule(step))

    def _set(self, temperature: float) -> None:
        if not self.estimator.tempered:
            kind = type(self.estimator).__name__
            raise ValueError(f"`temperature` must be None for {kind}, got {temperature}.")
        self.estimator = self.estimator.at_temperature(temperature)

    def extra_repr(self) -> str:
        return repr(self.estimator)
