"""The shared signal: REINFORCE at one sample; a baseline that has not seen its batch."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators import MovingAverageBaseline, Reinforce
from discretevae.estimators.battery import PROBLEMS, BiasedError
from discretevae.estimators.multisample import IWAE
from discretevae.estimators.multisample.battery import check_unbiased
from discretevae.latents import categorical

PROBLEM = PROBLEMS["smooth"]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(4)


@pytest.mark.parametrize("baseline", [0.0, 2.5, None])
def test_one_sample_is_reinforce_on_the_elbo_with_a_sampled_kl(baseline: float | None) -> None:
    """E_q[log p(x, z) − log q(z)], log q of the sample in place of the entropy: bit for bit."""
    logits = PROBLEM.logits.repeat(50, 1, 1).requires_grad_()
    parameters = PROBLEM.parameters.repeat(50, 1).requires_grad_()

    def log_weight(z: Tensor) -> Tensor:
        return PROBLEM.f(z, parameters) - categorical.log_prob(z, logits)

    bound, elbo = IWAE(1, baseline), Reinforce(1, baseline)
    for _ in range(3):  # the moving average follows
        found, expected = bound(log_weight, logits, seeded()), elbo(log_weight, logits, seeded())
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
        for ours, theirs in zip(
            torch.autograd.grad(found.sum(), (logits, parameters)),
            torch.autograd.grad(expected.sum(), (logits, parameters)),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_against_its_formula() -> None:
    """Σ_s (L − b)(z_s − p) + Σ_s w̃_s (p − z_s): the second term from −log q in log w."""
    logits, seen = PROBLEM.logits.clone().requires_grad_(), []

    def log_weight(z: Tensor) -> Tensor:
        seen.append(z)
        return PROBLEM.f(z, PROBLEM.parameters) - categorical.log_prob(z, logits)

    value = IWAE(samples=4, baseline=1.5)(log_weight, logits, seeded())
    (grad,) = torch.autograd.grad(value, logits)
    (z,) = seen
    w = log_weight(z).detach().exp()
    bound, p = w.mean().log(), PROBLEM.logits.softmax(-1)
    share = (w / w.sum())[:, None, None]
    torch.testing.assert_close(value, bound)
    torch.testing.assert_close(grad, ((bound - 1.5 - share) * (z - p)).sum(0))


class _OwnBatch(MovingAverageBaseline):
    """Half of each example's own bound: the gradient loses half of the signal's part."""

    def forward(self, value: Tensor) -> Tensor:
        return 0.5 * value.mean(0)


def test_a_baseline_that_has_seen_its_sample_is_caught() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(IWAE(samples=2, baseline=_OwnBatch()), PROBLEM, 200_000)


def test_the_baseline_is_the_average_of_earlier_bounds() -> None:
    estimator, logits = IWAE(samples=3), torch.zeros(5, 2, 4, requires_grad=True)
    for level in (-90.0, -80.0):
        estimator(lambda z, level=level: z.sum((-2, -1)) * 0 + level, logits)
    expected = (0.95 * 0.05 * -90 + 0.05 * -80) / (1 - 0.95**2)
    estimator.eval()
    assert float(estimator.baseline(torch.zeros(1, 5))) == pytest.approx(expected)
    assert set(estimator.state_dict()) == {"baseline.average", "baseline.weight"}
