"""Muon with Adam: each part does what torch's own does, and its state survives saving."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam, Muon
from torch.optim._muon import _zeropower_via_newtonschulz

from discretevae.training import optimizers
from discretevae.training.optimizers import (
    MuonWithAdam,
    _at_the_end,
    _step_by_step,
    orthogonalised,
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)
    )


def loss(model: nn.Module, step: int) -> Tensor:
    x = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(step))
    return model(x).square().sum()


def take(model: nn.Module, optimizers: list, steps: range) -> None:
    for step in steps:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss(model, step).backward()
        for optimizer in optimizers:
            optimizer.step()


def test_it_is_torchs_muon_on_matrices_and_adam_on_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for the iteration, which torch has in bfloat16 on every processor."""
    iterated = _zeropower_via_newtonschulz
    options = optimizers.COEFFICIENTS, optimizers.ITERATIONS, 1e-7
    monkeypatch.setattr(optimizers, "orthogonalised", lambda x: iterated(x, *options))
    ours, theirs = network(), network()
    matrices = [p for p in theirs.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if p.ndim != 2]
    muon = Muon(matrices, 0.01, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    take(ours, [MuonWithAdam(ours.parameters(), 0.01)], range(5))
    take(theirs, [muon, Adam(others, 0.01, fused=True)], range(5))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 60), (60, 5), (3, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_come_near_one_and_vectors_stay(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    scales = torch.linspace(0.3, 1, len(v))
    found = (u.T @ orthogonalised((u * scales) @ v, dtype).float() @ v.T).round(decimals=2)
    assert float((found - found.diagonal().diag()).abs().max()) < 0.1
    assert float(found.diagonal().min()) > 0.6
    assert float(found.diagonal().max()) < 1.3


@pytest.mark.parametrize("rank", [1, 2])
def test_multiplied_at_the_end_it_is_the_same(rank: int) -> None:
    """Of low rank too, as gradients of few examples are: rounding must not grow into directions
    that the matrix does not have."""
    torch.manual_seed(0)
    wide = torch.randn(8, rank) @ torch.randn(rank, 100)
    x = wide / wide.norm()
    exact = _step_by_step(x.double())
    assert float((_at_the_end(x) - exact).norm() / exact.norm()) < 5e-3


def test_copied_it_goes_on_with_the_copy_of_the_model() -> None:
    whole = network()
    optimizer = MuonWithAdam(whole.parameters(), 0.01)
    take(whole, [optimizer], range(2))
    model, other = copy.deepcopy((whole, optimizer))
    take(whole, [optimizer], range(2, 4))
    take(model, [other], range(2, 4))
    for a, b in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_saved_and_loaded_it_goes_on_to_the_bit() -> None:
    whole, halves = network(), network()
    take(whole, [MuonWithAdam(whole.parameters(), 0.01)], range(6))
    first = MuonWithAdam(halves.parameters(), 0.01)
    take(halves, [first], range(3))
    second = MuonWithAdam(halves.parameters(), 0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    take(halves, [second], range(3, 6))
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_scheduled_learning_rate_reaches_both_parts() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = MuonWithAdam(model.parameters(), 0.01)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    take(model, [optimizer], range(2))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_only_vectors_or_only_matrices_will_do() -> None:
    for parameter in (nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, 2))):
        optimizer = MuonWithAdam([parameter], 0.01)
        parameter.square().sum().backward()
        optimizer.step()
        assert not torch.equal(parameter, torch.ones_like(parameter))
