"""Functions of codes, and what they may offer."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators import NVIL, CodeFunction, Exact, as_code_function


def total(z: Tensor) -> Tensor:
    return (z * torch.arange(z.shape[-1], dtype=z.dtype)).sum((-2, -1))


class Shared(CodeFunction):
    """Counts the rows at which it is evaluated, each code once."""

    shared = True
    rows = 0

    def __call__(self, z: Tensor) -> Tensor:
        raise AssertionError("each code was to be evaluated once")

    def at_codes(self, z: Tensor) -> Tensor:
        self.rows += len(z)
        return total(z)[:, None].expand(-1, 5)


class WithContext(CodeFunction):
    """What a baseline may see, and no more."""

    def __call__(self, z: Tensor) -> Tensor:
        return total(z)

    @property
    def context(self) -> Tensor:
        return torch.ones(5, 2)


class OldStyle:
    """No subclass, but with the same attributes."""

    context = torch.ones(5, 2)

    def __call__(self, z: Tensor) -> Tensor:
        return total(z)

    def at_codes(self, z: Tensor) -> Tensor:
        return total(z)[:, None].expand(-1, 5)


def test_exact_evaluates_shared_codes_once() -> None:
    f, logits = Shared(), torch.randn(5, 3, 4)
    torch.testing.assert_close(Exact()(f, logits), Exact()(total, logits))
    assert f.rows == 4**3


@pytest.mark.parametrize("f", [WithContext(), OldStyle()])
def test_a_baseline_sees_the_context(f: CodeFunction) -> None:
    assert NVIL(context_features=2)(f, torch.randn(5, 3, 4)).shape == (5,)


def test_a_plain_callable_offers_its_values_alone() -> None:
    f = as_code_function(total)
    z = torch.nn.functional.one_hot(torch.tensor([[2, 0]]), 3).float()
    assert f(z) == 2
    assert not f.shared
    assert f.context is None
    with pytest.raises(ValueError, match=r"`f.context` must have shape \(5, 2\), got none"):
        NVIL(context_features=2)(total, torch.randn(5, 3, 4))


def test_old_attributes_are_taken_as_they_are() -> None:
    f = as_code_function(OldStyle())
    assert f.shared
    assert f.context is OldStyle.context
    logits = torch.randn(5, 3, 4)
    torch.testing.assert_close(Exact()(f, logits), Exact()(total, logits))


def test_a_function_of_codes_is_not_wrapped_again() -> None:
    f = WithContext()
    assert as_code_function(f) is f
    assert not f.shared
    with pytest.raises(NotImplementedError, match="WithContext"):
        f.at_codes(torch.zeros(1, 3, 4))
