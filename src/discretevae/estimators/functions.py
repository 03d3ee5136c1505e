"""What is expected: a function of codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

__all__ = ["CodeFunction", "as_code_function"]


class CodeFunction(ABC):
    """A function f of codes that may say more of itself than its values.

    Called with one-hot codes z of shape (S, *B, D, K), it gives f(z) of shape (S, *B), each row by
    itself. Any plain callable that does so is taken for one; a subclass may also offer

    Attributes:
        shared: Whether f can be evaluated by :meth:`at_codes`.

    Example:
        >>> class Inner(CodeFunction):  # a batch of five, alike to f
        ...     shared = True
        ...     def __call__(self, z: Tensor) -> Tensor:
        ...         return z[..., 0].sum(-1)
        ...     def at_codes(self, z: Tensor) -> Tensor:
        ...         return self(z)[:, None].expand(-1, 5)
        >>> import torch
        >>> from discretevae.estimators import Exact
        >>> Exact()(Inner(), torch.zeros(5, 2, 4))  # 16 rows of f, not 5 · 16
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
    """

    shared: bool = False

    @abstractmethod
    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        """Gives f at codes of each example's own."""

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S *B"]:
        """Gives f at codes that the whole batch shares, each evaluated once, not once an example.

        Raises:
            NotImplementedError: If f is not `shared`.
        """
        raise NotImplementedError(f"{type(self).__name__} is not evaluated at shared codes.")

    @property
    def context(self) -> Float[Tensor, "*B C"] | None:
        """What a learned baseline may see of each example, such as the data; nothing."""
        return None


class _Plain(CodeFunction):
    """A callable with whatever it offers of the attributes."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        self.f, self.shared = f, hasattr(f, "at_codes")

    def __call__(self, z: Tensor) -> Tensor:
        return self.f(z)

    def at_codes(self, z: Tensor) -> Tensor:
        return self.f.at_codes(z)  # type: ignore[attr-defined]

    @property
    def context(self) -> Tensor | None:
        return getattr(self.f, "context", None)


def as_code_function(f: Callable[[Tensor], Tensor]) -> CodeFunction:
    """Gives what the estimators ask: a plain callable offers nothing but its values.

    Example:
        >>> as_code_function(lambda z: z.sum((-2, -1))).shared
        False
    """
    return f if isinstance(f, CodeFunction) else _Plain(f)
