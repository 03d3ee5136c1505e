"""Dead latents: counted, revived, explained."""

import pytest
import torch

from discretevae.sparse import SPARSE_KINDS, DeadCount, TopKAutoencoder, why_dead
from discretevae.sparse.dead import aux_k, resample


def test_counts_start_anew_where_a_latent_is_active() -> None:
    count = DeadCount(width=3, after=20)
    for fired in ([True, False, False], [False, True, False]):
        count.see(torch.tensor(fired), rows=10)
    assert count.since.tolist() == [10, 0, 20]
    assert count.dead.tolist() == [False, False, True]


def test_aux_k_is_its_formula_and_reaches_the_encoder() -> None:
    """In float64 beside the dense formula; the gradient is that of dead latents alone."""
    torch.manual_seed(0)
    w, v = torch.randn(6, 10).double(), torch.randn(10, 6).double()
    b, x, error = (torch.randn(n).double() for n in (10, 60, 60))
    x, error = x.reshape(10, 6), error.reshape(10, 6)
    dead = torch.zeros(10, dtype=torch.bool)
    dead[[1, 4, 5, 8]] = True
    for tensor in (w, v, b):
        tensor.requires_grad_()
    found = aux_k(w, b, v, x, error, dead)
    h = (x @ w + b).masked_fill(~dead, -torch.inf)
    kept = h >= h.topk(3, dim=1).values[:, -1:]  # d / 2 = 3 of the 4
    a = torch.where(kept, h.relu(), 0.0)
    expected = (error - a @ v).square().sum(1).mean() / 32
    torch.testing.assert_close(found, expected)
    for tensor in (w, v, b):
        (mine,) = torch.autograd.grad(found, tensor, retain_graph=True)
        (exact,) = torch.autograd.grad(expected, tensor, retain_graph=True)
        torch.testing.assert_close(mine, exact)
        assert mine.any()
    (for_w,) = torch.autograd.grad(found, w)
    assert not for_w[:, ~dead].any()


def test_few_dead_latents_weigh_less() -> None:
    x = torch.ones(1, 8)
    one = torch.zeros(5, dtype=torch.bool)
    one[0] = True
    parts = (torch.zeros(8, 5), torch.zeros(5), torch.zeros(5, 8), x, x)
    assert float(aux_k(*parts, one)) == pytest.approx(8 / 32 * 1 / 4)


def test_the_objective_revives() -> None:
    torch.manual_seed(0)
    model = TopKAutoencoder(dim=6, width=20, k=2)
    model.b_enc.data[:10] = -1.0  # seldom among the largest
    x = torch.randn(50, 6)
    dead = torch.arange(20) < 10
    plain, revived = model.objective(x), model.objective(x, dead=dead)
    assert revived.loss > plain.loss
    (grad,) = torch.autograd.grad(revived.loss - model.objective(x).loss, model.W_enc)
    assert grad[:, :10].any()
    assert not grad[:, 10:].any()


def test_reasons() -> None:
    torch.manual_seed(0)
    model = TopKAutoencoder(dim=4, width=5, k=1).eval()
    with torch.no_grad():
        model.W_dec.copy_(torch.eye(5)[:, :4])
        model.W_dec[1] = model.W_dec[0]
        model.W_dec[4] = torch.tensor([0.0, 0.0, 0.0, -1.0])
        model.W_enc.copy_(model.W_dec.T)
        model.W_enc[:, 1] *= 0.9  # as latent 0, and always weaker
        model.b_enc.copy_(torch.tensor([0.0, 0.0, -100.0, 0.0, 0.5]))
    x = torch.zeros(6, 4)
    x[:, 0], x[:, 3] = 2.0, 1.0
    dead = model.encode(x).amax(0) == 0
    assert dead.tolist() == [False, True, True, True, True]
    x[0, 3] = -1.0  # the last is reached, but not the largest
    found = {
        r.says.split(":")[0].split(" (")[0]: r.latents.tolist() for r in why_dead(model, x, dead)
    }
    assert found == {"out of reach": [2], "twins": [1], "crowded out": [3, 4]}
    assert why_dead(model, x, torch.zeros(5, dtype=torch.bool)) == []


@pytest.mark.parametrize("kind", SPARSE_KINDS)
@pytest.mark.parametrize("dim_out", [None, 3])
def test_latents_begin_anew_where_the_error_is(kind: str, dim_out: int | None) -> None:
    torch.manual_seed(0)
    model = SPARSE_KINDS[kind](4, 6, 2, dim_out)
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    x, y = torch.randn(20, 4), torch.randn(20, dim_out or 4)
    model.objective(x, y, torch.tensor([True] * 6)).loss.backward()
    optimizer.step()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    error = torch.zeros(20, dim_out or 4)
    error[7] = 3 * torch.eye(dim_out or 4)[1]  # the only row with an error
    latents = torch.tensor([0, 4])
    resample(model, latents, x, error, optimizer, torch.Generator().manual_seed(0))
    assert model.W_dec[latents].tolist() == [torch.eye(dim_out or 4)[1].tolist()] * 2
    direction = error[7] if dim_out is None else x[7] - x.mean(0)
    expected = torch.nn.functional.normalize(direction, dim=0)
    torch.testing.assert_close(model.W_enc[:, 4].detach(), expected)
    others = torch.tensor([1, 2, 3, 5])
    for name, parameter in model.named_parameters():
        dim = {"W_enc": 1, "b_dec": None}.get(name, 0)
        if dim is None:
            continue
        same = parameter.detach().index_select(dim, others)
        assert torch.equal(same, before[name].index_select(dim, others))
        if parameter in optimizer.state:
            moment = optimizer.state[parameter]["exp_avg_sq"]
            assert not moment.index_select(dim, latents).any()


@pytest.mark.parametrize("kind", SPARSE_KINDS)
@pytest.mark.parametrize("dim_out", [None, 3])
def test_latents_that_begin_anew_are_not_stronger_than_at_first(
    kind: str, dim_out: int | None
) -> None:
    """Active in 4k/m of the rows, as every latent at the start; a bias of 0 is half of them."""
    torch.manual_seed(0)
    model = SPARSE_KINDS[kind](16, 64, 2, dim_out)
    x, y = torch.randn(1000, 16), torch.randn(1000, dim_out or 16)
    model.start_at(x, None if dim_out is None else y)
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    latents = torch.tensor([3, 40, 41])
    resample(model, latents, x, y, optimizer, torch.Generator().manual_seed(0))
    h = x @ model.W_enc[:, latents] + model.bias[latents]
    share = 4 * 2 / 64
    torch.testing.assert_close((h > 0).float().mean(0), torch.full((3,), share), atol=2e-3, rtol=0)
    without = h - model.b_enc[latents]
    assert ((without > 0).float().mean(0) > 2 * share).all()
