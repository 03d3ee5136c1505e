import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from torch import Tensor

from discretevae.objectives import batch_mutual_information


def posterior(b: int = 5, d: int = 2, k: int = 3, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(b, d, k, dtype=torch.float64, generator=stream)


def entropy(p: list[float]) -> float:
    return -math.fsum(x * math.log(x) for x in p)


def by_loops(logits: Tensor) -> list[float]:
    b, d, k = logits.shape
    information = []
    for latent in range(d):
        weights = [[math.exp(x) for x in row] for row in logits[:, latent].tolist()]
        q = [[w / sum(row) for w in row] for row in weights]
        mean = [sum(row[c] for row in q) / b for c in range(k)]
        information.append(entropy(mean) - sum(map(entropy, q)) / b)
    return information


def test_it_is_what_loops_give() -> None:
    logits = posterior()
    assert batch_mutual_information(logits).tolist() == pytest.approx(by_loops(logits))


def test_the_entropy_of_averaged_logits_is_another_thing() -> None:
    logits = posterior()
    wrong = [entropy(p) for p in logits.mean(0).softmax(-1).tolist()]
    conditional = [
        sum(map(entropy, logits[:, d].softmax(-1).tolist())) / len(logits) for d in range(2)
    ]
    wrong = [h - c for h, c in zip(wrong, conditional, strict=True)]
    assert wrong != pytest.approx(by_loops(logits), abs=0.01)


def test_sure_codes_carry_the_information_that_sklearn_counts() -> None:
    codes = torch.randint(4, (12, 3), generator=torch.Generator().manual_seed(0))
    logits = torch.full((12, 3, 4), -torch.inf).scatter(-1, codes.unsqueeze(-1), 0.0)
    expected = [mutual_info_score(range(12), latent) for latent in codes.T.numpy()]
    assert batch_mutual_information(logits).tolist() == pytest.approx(expected, rel=1e-5)


def test_indifferent_codes_and_codes_all_alike_carry_nothing() -> None:
    alike = posterior(b=1).expand(6, 2, 3)
    for logits in (torch.zeros(6, 2, 3), alike):
        assert batch_mutual_information(logits).abs().max() < 1e-7


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**30), st.integers(1, 6), st.integers(1, 6), st.floats(0, 1e4))
def test_it_lies_between_zero_and_the_smaller_logarithm(
    seed: int, b: int, k: int, sharpness: float
) -> None:
    logits = sharpness * posterior(b, 2, k, seed)
    information = batch_mutual_information(logits)
    assert (information >= -1e-12).all()
    assert (information <= min(math.log(k), math.log(b)) + 1e-12).all()


def test_a_batch_tells_at_most_the_whole_on_average() -> None:
    logits = posterior(b=4)
    batches = itertools.product(range(4), repeat=2)
    mean = torch.stack([batch_mutual_information(logits[list(i)]) for i in batches]).mean(0)
    assert (mean <= batch_mutual_information(logits)).all()


def test_gradients_are_finite_differences() -> None:
    assert torch.autograd.gradcheck(batch_mutual_information, posterior().requires_grad_())


@pytest.mark.parametrize("extreme", [-torch.inf, -3e38, 3e38])
def test_extreme_logits_stay_finite(extreme: float) -> None:
    logits = torch.zeros(4, 1, 3)
    logits[:2, :, 0] = extreme
    logits.requires_grad_()
    information = batch_mutual_information(logits)
    information.sum().backward()
    assert information.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_is_left_for_the_entropies() -> None:
    logits = posterior().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        information = batch_mutual_information(logits)
    assert information.dtype == torch.float32
    exact = batch_mutual_information(logits.double())
    torch.testing.assert_close(information.double(), exact, rtol=1e-5, atol=0)


def test_ascent_uses_every_code_alike() -> None:
    logits = (0.1 * posterior(b=12, d=1, k=4)).requires_grad_()
    for _ in range(200):
        (slope,) = torch.autograd.grad(batch_mutual_information(logits).sum(), logits)
        with torch.no_grad():
            logits += 20 * slope
    assert batch_mutual_information(logits).item() == pytest.approx(math.log(4), abs=0.05)
    assert logits.argmax(-1).flatten().bincount().tolist() == [3, 3, 3, 3]
