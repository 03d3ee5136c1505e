"""Figures of sparse autoencoders, beside the same ones written plainly."""

import numpy as np
import pytest
import torch
from torch import Tensor

from discretevae.data.activations import Activations, load_activations
from discretevae.evaluation.sparse import (
    evaluate_sparse,
    look_at,
    nearest,
    network_scores,
)
from discretevae.sparse import SparseAutoencoder, TopKAutoencoder


@pytest.fixture
def data() -> Activations:
    return load_activations(np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32))


@pytest.fixture
def model() -> SparseAutoencoder:
    torch.manual_seed(3)
    model = TopKAutoencoder(6, 20, 3).eval()
    model.b_enc.data[:4] = -50.0  # never active
    return model


def everything(data: Activations) -> Tensor:
    return torch.cat([data.blocks.part(i).x for i in range(len(data.blocks.parts))])


def test_what_is_known_of_each_latent(
    model: SparseAutoencoder, data: Activations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discretevae.evaluation.sparse.AT_ONCE", 70)  # several looks
    x = everything(data)
    a = model.encode(x).detach()
    found = look_at(model, data, most=5)
    torch.testing.assert_close(found.density, (a > 0).float().mean(0))
    assert not found.density[:4].any()
    order = a.sort(dim=0, descending=True)
    torch.testing.assert_close(found.strongest, order.values[:5].T)
    for latent in range(4, 20):
        rows = found.rows[latent]
        torch.testing.assert_close(a[rows[rows >= 0], latent], found.strongest[latent][rows >= 0])
    assert (found.rows[:4] == -1).all()
    torch.testing.assert_close(
        found.strength[4:], a[:, 4:].sum(0) / (a[:, 4:] > 0).sum(0), atol=1e-5, rtol=1e-5
    )
    assert look_at(model, data, limit=100).density.sum() * 100 == (a[:100] > 0).sum()


def test_figures(model: SparseAutoencoder, data: Activations) -> None:
    x = data.splits.test.values()
    y = model(x).detach()
    figures = evaluate_sparse(model, data, look_at(model, data))
    value = {name: figure.value for name, figure in figures.items()}
    fvu = (x - y).square().sum() / (x - x.mean(0)).square().sum()
    assert value["fvu"] == pytest.approx(float(fvu))
    assert value["l0"] == pytest.approx(float((model.encode(x) > 0).sum(1).float().mean()))
    assert value["dead"] == 4 / 20
    assert value["norm_ratio"] == pytest.approx(float(y.norm(dim=1).sum() / x.norm(dim=1).sum()))
    bias = y.square().sum() / (x * y).sum()
    assert value["relative_bias"] == pytest.approx(float(bias))
    assert value["bits_saved"] == pytest.approx(value["bits_of_gaussian"] - value["bits"])
    assert all(figures[name].se for name in ("fvu", "bits", "norm_ratio", "largest_cosine"))


def test_the_nearest(model: SparseAutoencoder) -> None:
    cosines, others = nearest(model, torch.tensor([5, 7]), most=2)
    every = (model.W_dec @ model.W_dec.T).detach()
    every.fill_diagonal_(-2)
    torch.testing.assert_close(cosines, every[[5, 7]].topk(2).values)
    assert torch.equal(others, every[[5, 7]].topk(2).indices)


def test_scores_of_a_network(model: SparseAutoencoder) -> None:
    torch.manual_seed(0)
    x, readout = torch.randn(200, 6), 3 * torch.randn(6, 5)
    targets = (x @ readout).argmax(1)

    def network(replace):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        return [
            (replace(some) @ readout, y)
            for some, y in zip(x.split(64), targets.split(64), strict=True)
        ]

    found = network_scores(model, network)
    ce = [
        torch.nn.functional.cross_entropy(rows @ readout, targets)
        for rows in (x, model(x), torch.zeros_like(x))
    ]
    expected = (ce[2] - ce[1]) / (ce[2] - ce[0])
    assert found["ce_score"].value == pytest.approx(float(expected.detach()), rel=1e-5)
    clean = (x @ readout).log_softmax(1)
    kl = [
        torch.nn.functional.kl_div(
            (rows @ readout).log_softmax(1), clean, log_target=True, reduction="batchmean"
        )
        for rows in (model(x), torch.zeros_like(x))
    ]
    expected = 1 - kl[0] / kl[1]
    assert found["kl_score"].value == pytest.approx(float(expected.detach()), rel=1e-5)
    perfect = network_scores(torch.nn.Identity(), network)
    assert perfect["ce_score"].value == pytest.approx(1.0)
    assert perfect["kl_score"].value == pytest.approx(1.0)
