"""What an estimator takes the expectation of: a function of codes."""

from torch import Tensor

__all__ = ["CodeFunction"]


class CodeFunction:
    """f(z)."""

    shared: bool = False

    @property
    def context(self) -> Tensor | None:
        return None

    def __call__(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def at_codes(self, z: Tensor) -> Tensor:
        raise NotImplementedError
