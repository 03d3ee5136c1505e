"""A categorical of which a part is uniform."""

import pytest
import torch

from discretevae.choices import mix_uniform


@pytest.mark.parametrize("uniform", [0.0, 0.01, 0.5, 0.999])
def test_the_probabilities_are_mixed(uniform: float) -> None:
    logits = torch.randn(4, 3, 5, dtype=torch.float64)
    p = mix_uniform(logits, uniform).softmax(-1)
    torch.testing.assert_close(p, (1 - uniform) * logits.softmax(-1) + uniform / 5)


def test_the_gradient_is_that_of_the_mixture() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mix_uniform(x, 0.1), logits)


def test_no_class_is_out_for_ever() -> None:
    """Where a softmax is certain, its gradient is 0 and a KL to it infinite; not here."""
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, -torch.inf, -torch.inf]], requires_grad=True)
    mixed = mix_uniform(logits, 0.03)
    assert mixed.exp().min() >= 0.0099
    mixed[:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_is_widened_first() -> None:
    logits = torch.randn(50, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = mix_uniform(logits, 0.01)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, mix_uniform(logits.float(), 0.01))


@pytest.mark.parametrize("uniform", [-0.1, 1.0, float("nan")])
def test_what_is_no_share_is_refused(uniform: float) -> None:
    with pytest.raises(ValueError, match=r"`uniform` must lie in \[0, 1\), got"):
        mix_uniform(torch.zeros(2), uniform)
