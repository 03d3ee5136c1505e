"""Training of sparse autoencoders: what was drawn is found, and a run that dies goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.data.activations import load_activations
from discretevae.sparse import SPARSE_KINDS, TopKAutoencoder, load, save
from discretevae.training import TrainingError
from discretevae.training.checkpoints import CheckpointError
from discretevae.training.sparse_fit import prepare_sparse, train_sparse
from discretevae.training.sparse_module import SparseModule
from discretevae.training.sparse_options import SparseOptions, sparse_budget

DIM, TRUE, ACTIVE = 16, 24, 2
SEEN_IN_AUDIT = ("relu", "batch-topk", "matryoshka")
QUIET: dict[str, Any] = {"accelerator": "cpu", "progress_bar": False}


@pytest.fixture(scope="module")
def truth() -> Tensor:
    return normalize(torch.randn(TRUE, DIM, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def x(truth: Tensor) -> Tensor:
    draws = torch.Generator().manual_seed(1)
    on = torch.rand(8000, TRUE, generator=draws) < ACTIVE / TRUE
    return (on * (1 + torch.rand(8000, TRUE, generator=draws))) @ truth * 3 + 5


@pytest.mark.parametrize(
    "kind",
    [
        *("topk", "jumprelu", "gated"),
        *(pytest.param(kind, marks=pytest.mark.audit) for kind in SEEN_IN_AUDIT),
    ],
)
def test_every_kind_finds_the_directions_that_were_drawn(
    kind: str, truth: Tensor, x: Tensor
) -> None:
    torch.manual_seed(2)  # not that of the truth
    model = SPARSE_KINDS[kind](DIM, TRUE, ACTIVE)
    start = float((truth @ model.W_dec.detach().T).amax(1).mean())
    options = SparseOptions(steps=300, batch_size=300, learning_rate=1e-2, **QUIET)
    found = train_sparse(model, x, options=options)
    cosines = (truth @ found.model.W_dec.detach().T).amax(1)
    assert start < 0.7
    # The first latents of a matryoshka stand for several at once.
    assert float(cosines.mean()) > (0.6 if kind == "matryoshka" else 0.8)
    last = found.history[-1]
    assert last["test_fvu"] < 0.5
    assert last["test_l0"] == pytest.approx(ACTIVE, rel=0.5)
    fvu = (x - found.model(x)).square().sum() / (x - x.mean(0)).square().sum()
    assert float(fvu.detach()) == pytest.approx(last["test_fvu"], rel=0.2)


def test_a_transcoder_learns_what_y_is(x: Tensor) -> None:
    torch.manual_seed(0)
    y = (x - 5).relu()[:, :8] * 10
    model = TopKAutoencoder(DIM, 48, 8, dim_out=8)
    found = train_sparse(model, x, y, SparseOptions(steps=300, batch_size=500, **QUIET))
    rest = (y - found.model(x)).square().sum() / (y - y.mean(0)).square().sum()
    assert float(rest.detach()) < 0.3


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["topk", "matryoshka", "jumprelu", "gated"])
def test_a_run_that_dies_resumes_to_the_bit(
    kind: str, x: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of the sixth of twelve rounds, and of the second pass."""
    options = SparseOptions(steps=48, batch_size=300, dead_after=600, **QUIET)
    data = load_activations(x)

    def made() -> Any:
        torch.manual_seed(0)
        return SPARSE_KINDS[kind](DIM, 40, 3)

    whole = prepare_sparse(made(), data, options).fit()
    follow = SparseModule._follow

    def dying(self: SparseModule) -> None:
        if self.global_step == 27:
            raise Killed
        follow(self)

    monkeypatch.setattr(SparseModule, "_follow", dying)
    with pytest.raises(Killed):
        prepare_sparse(made(), data, options, tmp_path).fit()
    monkeypatch.setattr(SparseModule, "_follow", follow)
    resumed = prepare_sparse(made(), data, options, tmp_path, resume=True)
    assert resumed.start is not None
    found = resumed.fit()
    for name, value in whole.model.tensors().items():
        assert torch.equal(found.model.tensors()[name], value), name
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in found.history] == timeless


def test_a_stream_on_disk_is_trained_on_as_well(
    x: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "x.npy", x.numpy())
    monkeypatch.setattr("discretevae.data.activations.IN_MEMORY", 0)
    monkeypatch.setattr("discretevae.data.blocks.PART", 2**14)
    torch.manual_seed(0)
    model = TopKAutoencoder(DIM, 48, 4)
    options = SparseOptions(steps=60, batch_size=200, learning_rate=5e-3, **QUIET)
    found = train_sparse(model, tmp_path / "x.npy", options=options)
    assert found.history[-1]["test_fvu"] < 0.5
    save(found.model, tmp_path / "model")
    some = x[:100]
    assert torch.equal(load(tmp_path / "model")(some), found.model(some))


def test_latents_that_die_are_revived(
    truth: Tensor, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the latents are out of reach: they stay so, or begin anew and find what is left."""
    left, cosines = [], []
    start = TopKAutoencoder.start_at

    def out_of_reach(model: TopKAutoencoder, x: Tensor, y: Tensor | None = None) -> None:
        start(model, x, y)
        model.b_enc.data[TRUE // 2 :] = -100.0

    monkeypatch.setattr(TopKAutoencoder, "start_at", out_of_reach)
    for after in (1500, 10**9):
        torch.manual_seed(2)
        model = TopKAutoencoder(DIM, TRUE, ACTIVE)
        options = SparseOptions(
            steps=200, batch_size=300, learning_rate=1e-2, dead_after=after, **QUIET
        )
        found = train_sparse(model, x, options=options)
        left.append(int((found.model.encode(x).amax(0) == 0).sum()))
        cosines.append(float((truth @ found.model.W_dec.detach().T).amax(1).mean()))
    assert left[0] <= 3
    assert left[1] == TRUE // 2
    assert cosines[0] > cosines[1] + 0.1


@pytest.mark.parametrize("kind", ["jumprelu", "batch-topk", "matryoshka"])
def test_a_short_run_has_k_active(kind: str, x: Tensor) -> None:
    """Thresholds that only an optimiser moves were at six times k after so few steps."""
    torch.manual_seed(0)
    options = SparseOptions(steps=250, batch_size=300, **QUIET)
    found = train_sparse(SPARSE_KINDS[kind](DIM, 48, 2), x, options=options)
    assert found.history[-1]["test_l0"] == pytest.approx(2, rel=0.3)


def test_what_is_nested_has_k_active_from_the_start(x: Tensor) -> None:
    data = load_activations(x)
    for kind, times in (("batch-topk", 4), ("matryoshka", 1)):
        module = SparseModule(SPARSE_KINDS[kind](DIM, 48, 2), data, SparseOptions(**QUIET))
        assert module.k(0) == 2 * times
        assert module.k(3000) == 2


def test_another_checkpoint_is_refused(x: Tensor, tmp_path: Path) -> None:
    options = SparseOptions(steps=2, batch_size=100, **QUIET)
    data = load_activations(x)
    prepare_sparse(TopKAutoencoder(DIM, 40, 3), data, options, tmp_path).fit()
    with pytest.raises(CheckpointError, match="must hold weights that fit this model"):
        prepare_sparse(TopKAutoencoder(DIM, 50, 3), data, options, tmp_path, resume=True)


def test_what_does_not_fit_is_refused(x: Tensor) -> None:
    data = load_activations(x[:100])
    with pytest.raises(TrainingError, match=r"`x` must have widths \(8, None\)"):
        prepare_sparse(TopKAutoencoder(8, 40, 3), data, SparseOptions(**QUIET))
    with pytest.raises(ValueError, match="`batch_size` must be at most the 90 rows"):
        sparse_budget(SparseOptions(batch_size=91), rows=90, width=8)
    for options in ({"steps": 0}, {"learning_rate": -1.0}, {"dead_after": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            SparseOptions(**options)  # type: ignore[arg-type]


def test_targets_beside_what_has_them_are_refused() -> None:
    x = torch.randn(400, 8)
    data = load_activations(x)
    with pytest.raises(ValueError, match="`y` must be left out"):
        train_sparse(TopKAutoencoder(8, 32, 4), data, x, SparseOptions(steps=2, **QUIET))
