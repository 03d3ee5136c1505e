"""Every kind beside its formula, written anew and densely."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.sparse import SPARSE_KINDS, SparseAutoencoder, sparse_from_config
from discretevae.sparse.median import geometric_median

Make = Callable[..., Any]
KINDS = list(SPARSE_KINDS)


def hidden(model: Any, x: Tensor) -> Tensor:
    return (x - (0 if model.transcodes else model.b_dec)) @ model.W_enc + model.b_enc


def topk(model: Any, x: Tensor) -> Tensor:
    h = hidden(model, x)
    bar = h.topk(model.k, dim=1).values[:, -1:]
    return h.relu() * (h >= bar)


def batch_topk(model: Any, x: Tensor) -> Tensor:
    h = hidden(model, x).relu()
    return h * (h >= h.flatten().topk(model.k * len(x)).values[-1])


def gated(model: Any, x: Tensor) -> Tensor:
    magnitude = (x - (0 if model.transcodes else model.b_dec)) @ (model.W_enc * model.r_mag.exp())
    return (hidden(model, x) > 0) * (magnitude + model.b_mag).relu()


def jumprelu(model: Any, x: Tensor) -> Tensor:
    h = hidden(model, x)
    return h * (h > model.threshold)


ACTS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "relu": lambda model, x: hidden(model, x).relu(),
    "topk": topk,
    "batch-topk": batch_topk,
    "matryoshka": batch_topk,
    "gated": gated,
    "jumprelu": jumprelu,
}


def loss(model: Any, x: Tensor, y: Tensor) -> Tensor:
    """The formulas of the docstrings."""
    a = ACTS[model.kind](model, x)
    squared = (y - a @ model.W_dec - model.b_dec).square().sum(1).mean()
    if model.kind == "relu":
        return squared + model.weight.value * a.sum(1).mean()
    if model.kind == "gated":
        pi = hidden(model, x).relu()
        by_gate = pi @ model.W_dec.detach() + model.b_dec.detach()
        extra = (y - by_gate).square().sum(1).mean()
        return squared + model.weight.value * pi.sum(1).mean() + extra
    if model.kind == "matryoshka":
        return sum(
            (y - a[:, :w] @ model.W_dec[:w] - model.b_dec).square().sum(1).mean()
            for w in model.widths
        )  # type: ignore[return-value]
    return squared


def gradients(value: Tensor, model: SparseAutoencoder) -> list[Tensor]:
    found = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    zeros = [torch.zeros_like(p) for p in model.parameters()]
    return [zero if grad is None else grad for grad, zero in zip(found, zeros, strict=True)]


@pytest.mark.parametrize("dim_out", [None, 4])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "jumprelu"])
def test_objective_and_gradient_are_those_of_the_formula(
    kind: str, dim_out: int | None, make: Make, x: Tensor
) -> None:
    model = make(kind, dim_out=dim_out)
    y = x if dim_out is None else x[:, :4].sin()
    found = model.objective(x, None if dim_out is None else y)
    expected = loss(model, x, y)
    torch.testing.assert_close(found.loss, expected)
    pairs = zip(gradients(found.loss, model), gradients(expected, model), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)
    a = ACTS[kind](model, x)
    torch.testing.assert_close(found.l0.double(), (a > 0).double().sum(1).mean())
    assert torch.equal(found.fired, (a > 0).any(0))


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_is_the_formula_row_by_row(kind: str, make: Make, x: Tensor) -> None:
    model = make(kind)
    if kind in ("batch-topk", "matryoshka"):
        model.calibrate(x)
    model.eval()
    acts = jumprelu if kind in ("batch-topk", "matryoshka") else ACTS[kind]
    expected = acts(model, x)
    torch.testing.assert_close(model.encode(x), expected)
    torch.testing.assert_close(model(x), model.decode(expected))
    torch.testing.assert_close(model(x[3]), model(x)[3])
    shaped = x.reshape(4, 10, 6)
    torch.testing.assert_close(model(shaped), model(x).reshape(4, 10, 6))


@pytest.mark.parametrize("kind", ["batch-topk", "matryoshka"])
def test_a_calibrated_threshold_leaves_k_active_on_average(
    kind: str, make: Make, x: Tensor
) -> None:
    model = make(kind)
    model.calibrate(x)
    assert int((model.eval().encode(x) > 0).sum()) == 3 * len(x)


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_is_folded(kind: str, make: Make, x: Tensor) -> None:
    """A function of s·x, divided by s, whatever has to be scaled for it."""
    model = make(kind)
    if kind in ("batch-topk", "matryoshka"):
        model.calibrate(7 * x)
    model.eval()
    folded = model.scaled(7.0, 7.0)
    torch.testing.assert_close(folded(x), model(7 * x) / 7)
    torch.testing.assert_close(folded.W_dec.norm(dim=1), torch.ones(20, dtype=torch.float64))


def test_a_threshold_that_is_not_folded_is_caught(make: Make, x: Tensor) -> None:
    model = make("jumprelu").eval()
    model.threshold.data.fill_(1.0)
    folded = model.scaled(7.0, 7.0)
    folded.threshold.data.fill_(1.0)
    assert not torch.allclose(folded(x), model(7 * x) / 7)


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_of_a_transcoder_is_folded(kind: str, make: Make, x: Tensor) -> None:
    model = make(kind, dim_out=4)
    if kind in ("batch-topk", "matryoshka"):
        model.calibrate(7 * x)
    model.eval()
    torch.testing.assert_close(model.scaled(7.0, 3.0)(x), model(7 * x) / 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_rebuilds_it(kind: str, make: Make) -> None:
    model = make(kind)
    again = sparse_from_config(model.config())
    assert again.config() == model.config()
    again.load_tensors(model.tensors())
    for name, value in again.tensors().items():
        torch.testing.assert_close(value, model.tensors()[name].float())


def test_rows_stay_of_norm_1_and_lose_no_gradient(make: Make, x: Tensor) -> None:
    model = make("topk")
    model.after_step(3.0)
    torch.testing.assert_close(model.W_dec.norm(dim=1), torch.ones(20, dtype=torch.float64))
    model.objective(x).loss.backward()
    model.before_step()
    along = (model.W_dec.grad * model.W_dec).sum(1)
    assert float(along.detach().abs().max()) < 1e-12


def test_a_start_by_the_data(make: Make, x: Tensor) -> None:
    model = make("relu")
    model.start_at(x)
    torch.testing.assert_close(model.b_dec.data, geometric_median(x))
    share = (model.encode(x) > 0).double().mean(0)
    assert float((share - 0.5).abs().max()) <= 1.001 / len(x)
    transcoder = make("topk", dim_out=2)
    transcoder.start_at(x, x[:, :2] * torch.tensor([1.0, -1.0]))
    torch.testing.assert_close(transcoder.W_dec.norm(dim=1), torch.ones(20, dtype=torch.float64))
    cosines = transcoder.W_dec * normalize(transcoder.W_enc.T[:, :2] * torch.tensor([1.0, -1.0]))
    assert float(cosines.sum(1).mean()) > 0.8


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 30}, "`k` must be at most the width, 20, got 30"),
        ({"k": 0}, "`k` must be at least 1"),
        ({"width": 0}, "`width` must be at least 1"),
    ],
)
def test_bad_sizes_are_refused(options: dict[str, int], says: str, make: Make) -> None:
    with pytest.raises(ValueError, match=says):
        make("topk", **options)


def test_rows_of_another_width_are_refused(make: Make, x: Tensor) -> None:
    with pytest.raises(ValueError, match="`x` must have rows of 6 numbers, got 5"):
        make("topk").encode(x[:, :5])
