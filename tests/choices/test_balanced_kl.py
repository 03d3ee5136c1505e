"""The KL of world models: shares of the gradient, the floor, and what it is not."""

from itertools import product

import pytest
import torch
from torch import Tensor

from discretevae.choices import balanced_kl

D, K = 2, 3


def pair(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, p = scale * torch.randn(2, 4, D, K, dtype=torch.float64, generator=generator)
    return q.requires_grad_(), p.requires_grad_()


def enumerated_kl(q: Tensor, p: Tensor) -> Tensor:
    """The sum over all K^D codes."""
    log_q, log_p = q.log_softmax(-1), p.log_softmax(-1)
    total = torch.zeros(len(q), dtype=q.dtype)
    for code in product(range(K), repeat=D):
        of_q = torch.stack([log_q[:, d, k] for d, k in enumerate(code)]).sum(0)
        of_p = torch.stack([log_p[:, d, k] for d, k in enumerate(code)]).sum(0)
        total = total + of_q.exp() * (of_q - of_p)
    return total


@pytest.mark.parametrize(("dyn", "rep"), [(0.8, 0.2), (1.0, 0.1), (0.0, 1.0)])
def test_each_side_has_its_share_of_the_true_gradient(dyn: float, rep: float) -> None:
    q, p = pair()
    true = enumerated_kl(q, p)
    of_q, of_p = torch.autograd.grad(true.sum(), (q, p))
    trained = balanced_kl(q, p, dyn, rep, free_nats=0.0)
    found_q, found_p = torch.autograd.grad(trained.sum(), (q, p))
    torch.testing.assert_close(trained, (dyn + rep) * true)
    torch.testing.assert_close(found_q, rep * of_q)
    torch.testing.assert_close(found_p, dyn * of_p)


def test_a_wrong_side_is_caught() -> None:
    """The shares swapped, as a stopped gradient on the other side would have it."""
    q, p = pair()
    (of_q,) = torch.autograd.grad(enumerated_kl(q, p).sum(), q)
    (found,) = torch.autograd.grad(balanced_kl(q, p, 0.2, 0.8, 0.0).sum(), q)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(found, 0.2 * of_q)


def test_the_floor_is_of_an_example_not_of_a_latent() -> None:
    """Each latent of the second example is below 1 nat, both together above."""
    q = torch.tensor([[[0.3, 0.0, 0.0]] * 2, [[99.0, 99.0, 0.0]] * 2], requires_grad=True)
    p = torch.tensor([[0.0, 0.0, 1.0]] * 2).expand(2, D, K)
    true = enumerated_kl(q, p)
    assert true[0] < 1 < true[1] < 2
    found = balanced_kl(q, p, 1.0, 0.1, free_nats=1.0)
    torch.testing.assert_close(found, torch.stack([torch.tensor(1.1), 1.1 * true[1]]))
    found[0].backward()
    assert q.grad is not None
    assert not q.grad.any()


@pytest.mark.parametrize("name", ["dyn", "rep", "free_nats"])
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_what_is_no_weight_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be finite and at least 0"):
        balanced_kl(*pair(), **{name: value})
