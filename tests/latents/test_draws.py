import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import share_of
from discretevae.estimators import ESTIMATORS, Estimator
from discretevae.latents import categorical
from discretevae.latents.draws import SharedGenerator
from discretevae.models import DiscreteVAE, GaussianVAE, HierarchicalVAE, JointVAE
from discretevae.models.vae import VAE

ROWS = 7


def shared(process: int, processes: int, rows: int = ROWS) -> SharedGenerator:
    stream = SharedGenerator()
    stream.manual_seed(3)
    first, end = share_of(rows, process, processes)
    return stream.take(first, end - first, rows)


def apart(model: VAE, x: torch.Tensor, processes: int) -> torch.Tensor:
    """The objective of each row, each process having only some rows."""
    parts = [
        model.objective(x[slice(*share_of(len(x), i, processes))], shared(i, processes))
        for i in range(processes)
    ]
    return torch.cat(parts)


@given(st.integers(1, 20), st.integers(1, 6))
def test_shares_are_all_rows_once(rows: int, processes: int) -> None:
    shares = [share_of(rows, i, processes) for i in range(processes)]
    assert [i for first, end in shares for i in range(first, end)] == list(range(rows))
    sizes = [end - first for first, end in shares]
    assert max(sizes) - min(sizes) <= 1


OF_ROWS = [name for name, kind in ESTIMATORS.items() if not issubclass(kind, torch.nn.Module)]


@pytest.mark.parametrize("name", OF_ROWS)
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_draw_what_one_does(name: str, processes: int) -> None:
    kind: type[Estimator] = ESTIMATORS[name]
    categories = 2 if kind.binary_only else 3
    torch.manual_seed(0)
    model = DiscreteVAE((1, 4, 4), 2, categories, estimator=kind()).double()
    x = torch.rand(ROWS, 1, 4, 4).round().double()
    whole = model.objective(x, torch.Generator().manual_seed(3))
    parts = apart(model, x, processes)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    weights = [p for p in model.parameters() if p.requires_grad]
    expected = torch.autograd.grad(whole.sum(), weights)
    for ours, theirs in zip(torch.autograd.grad(parts.sum(), weights), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        lambda: GaussianVAE((1, 4, 4), 3),
        lambda: HierarchicalVAE((1, 4, 4), [3, 2], 4, estimator="rloo"),
        lambda: JointVAE((1, 4, 4), 2, 3, num_continuous=2, estimator="reinmax"),
        lambda: DiscreteVAE((1, 4, 4), 3, 4, estimator="reinmax", prior="autoregressive"),
    ],
    ids=["gaussian", "hierarchical", "joint", "autoregressive"],
)
def test_other_models_draw_by_rows_too(model: object) -> None:
    torch.manual_seed(0)
    vae = model().double()  # type: ignore[operator]
    x = torch.rand(ROWS, 1, 4, 4).round().double()
    whole = vae.objective(x, torch.Generator().manual_seed(3))
    torch.testing.assert_close(apart(vae, x, 2), whole, rtol=1e-12, atol=1e-12)


def test_draws_that_are_not_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`devices` must be 1 .* got shape \(5, 2, 3\)"):
        categorical.gumbel((5, 2, 3), torch.ones(1), shared(0, 2))
