"""The law of the conditional perturbations, and the gradient that averages over them."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from discretevae.estimators import conditional_gumbel as module
from discretevae.estimators.conditional_gumbel import conditional_gumbel, with_averaged_gradient
from discretevae.latents.categorical import gumbel, one_hot_argmax

P = torch.tensor([0.05, 0.15, 0.3, 0.5], dtype=torch.float64)
LEAST_P_VALUE = 1e-7


def rejected(drawn: Tensor, z: Tensor, generator: torch.Generator) -> float:
    """The least p-value of coordinates and lead against draws kept because their argmax is z."""
    free = P.log() + gumbel((400_000, 4), P, generator)
    kept = free[free.argmax(-1) == z.argmax()]
    assert len(kept) > 15_000

    def quantities(a: Tensor) -> Tensor:
        first, second = a.topk(2, -1).values.unbind(-1)
        return torch.cat([a, (first - second)[:, None]], -1)

    return min(
        stats.ks_2samp(one.numpy(), other.numpy(), method="asymp").pvalue
        for one, other in zip(quantities(drawn).T, quantities(kept).T, strict=True)
    )


@pytest.mark.parametrize("given", range(4))
def test_conditional_law_is_that_of_rejection(given: int) -> None:
    """20 Kolmogorov-Smirnov comparisons at 1e-7: a false alarm in 500,000 seeds.

    Distribution functions that differ by 0.03 are told apart.
    """
    generator = torch.Generator().manual_seed(given)
    z = torch.eye(4, dtype=torch.float64)[given]
    drawn = conditional_gumbel(P.log().expand(20_000, 4), z.expand(20_000, 4), generator)
    assert (drawn.argmax(-1) == given).all()
    assert rejected(drawn, z, generator) > LEAST_P_VALUE


def test_a_law_without_the_truncation_is_caught() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = gumbel((20_000, 4), P, generator)
    wrong = torch.where(torch.arange(4) == 1, noise, P.log() + noise)
    assert rejected(wrong, torch.eye(4)[1], generator) < LEAST_P_VALUE


def test_improbable_codes_stay_the_largest() -> None:
    log_p = torch.tensor([0.0, -2e4, -80.0, -torch.inf]).expand(1000, 4)
    for given in range(3):
        z = torch.eye(4)[given].expand(1000, 4)
        drawn = conditional_gumbel(log_p, z)
        assert not drawn.isnan().any()
        assert (drawn.amax(-1) == drawn[:, given]).all()


def test_gradient_averages_the_jacobians(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of J(softmax(a/τ))v/τ, each J built as a matrix."""
    seen: list[Tensor] = []

    def recording(*args: Tensor) -> Tensor:
        seen.append(conditional_gumbel(*args))
        return seen[-1]

    monkeypatch.setattr(module, "conditional_gumbel", recording)
    logits = torch.randn(4, dtype=torch.float64, requires_grad=True)
    v, z = torch.randn(4, dtype=torch.float64), one_hot_argmax(logits.detach())
    code = with_averaged_gradient(z, logits, logits.log_softmax(-1), 0.7, 3)
    assert torch.equal(code, z)
    (grad,) = torch.autograd.grad(code @ v, logits)

    y = (torch.stack(seen) / 0.7).softmax(-1)
    jacobians = torch.diag_embed(y) - y[:, :, None] * y[:, None, :]
    assert len(seen) == 3
    torch.testing.assert_close(grad, jacobians.mean(0) @ v / 0.7)


def test_the_backward_pass_leaves_the_generator_alone() -> None:
    """Whoever draws between the passes, or differentiates twice, gets the same gradient."""
    logits = torch.randn(5, 4, requires_grad=True)
    z, log_p = one_hot_argmax(logits.detach()), logits.log_softmax(-1)

    def gradients(draws: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(3)
        code = with_averaged_gradient(z, logits, log_p, 1.0, 4, generator)
        torch.rand(draws, generator=generator)
        state = generator.get_state()
        twice = [
            torch.autograd.grad(code[:, 0].sum(), logits, retain_graph=True)[0] for _ in range(2)
        ]
        assert torch.equal(generator.get_state(), state)
        return twice

    first, *others = gradients(0) + gradients(7)
    assert all(torch.equal(first, other) for other in others)


def test_memory_does_not_grow_with_the_perturbations() -> None:
    logits = torch.randn(5, 4, requires_grad=True)
    z = one_hot_argmax(logits.detach())

    def kept(perturbations: int) -> int:
        sizes: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            with_averaged_gradient(z, logits, logits.log_softmax(-1), 1.0, perturbations)
        return sum(sizes)

    assert 0 < kept(1) == kept(100)
