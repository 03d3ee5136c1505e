import pytest
import torch
from torch import Tensor

from discretevae.latents.quantisers import entropy as module
from discretevae.latents.quantisers.entropy import entropy_cost, joint_entropy, sum_of_entropies


def entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


def by_hand(digits: list[Tensor]) -> Tensor:
    """q(code | z) of all codes: a product over the digits of each."""
    sizes = [digit.shape[-1] for digit in digits]
    codes = torch.cartesian_prod(*[torch.arange(size) for size in sizes]).reshape(-1, len(sizes))
    parts = [digit[:, codes[:, i]] for i, digit in enumerate(digits)]
    return torch.stack(parts).prod(0)


@pytest.mark.parametrize("sizes", [(2,), (2, 2), (3, 2, 5), (2,) * 8, (8, 5, 5, 5)])
def test_entropies_of_a_mean_by_enumeration(sizes: tuple[int, ...]) -> None:
    digits = [3 * torch.randn(20, size, dtype=torch.float64) for size in sizes]
    p = [digit.softmax(-1) for digit in digits]
    torch.testing.assert_close(joint_entropy(p), entropy(by_hand(p).mean(0)))
    torch.testing.assert_close(
        sum_of_entropies(p), torch.stack([entropy(digit.mean(0)) for digit in p]).sum()
    )
    assert joint_entropy(p) <= sum_of_entropies(p) + 1e-12


def test_the_cost_is_the_enumerated_one_in_value_and_gradient() -> None:
    logits = [torch.randn(4, 5, size, dtype=torch.float64, requires_grad=True) for size in (3, 2)]
    cost = entropy_cost(logits, 0.7)
    p = by_hand([digit.flatten(0, 1).softmax(-1) for digit in logits])
    expected = (entropy(p) - 0.7 * entropy(p.mean(0))).view(4, 5)
    torch.testing.assert_close(cost, expected)
    for ours, theirs in zip(
        torch.autograd.grad(cost.sum(), logits),
        torch.autograd.grad(expected.sum(), logits),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_above_so_many_codes_digits_are_taken_for_independent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = torch.tensor([[9.0, -9.0], [-9.0, 9.0]])
    exact = entropy_cost([together, together])
    monkeypatch.setattr(module, "SUMMED", 3)
    assert entropy_cost([together, together])[0] < exact[0] - 0.6


def test_sure_digits_have_a_finite_gradient() -> None:
    logits = torch.tensor([[1e6, -1e6], [0.0, 0.0]], requires_grad=True)
    entropy_cost([logits, logits]).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
