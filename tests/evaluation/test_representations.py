"""Posteriors made by hand, whose codes and probabilities are known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from discretevae.evaluation import representations
from discretevae.evaluation.representations import draw_rows, require_rows
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.networks import MLP

D, K, N = 3, 4, 8


class Fixed(nn.Module):
    """The parameters of example i are row i of a table; x holds i."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: Tensor) -> Tensor:
        return self.table[x[:, 0].long()].flatten(1)


def represent(model: DiscreteVAE | GaussianVAE, table: Tensor) -> dict[str, np.ndarray]:
    model.encoder = Fixed(table)
    return representations(model, torch.arange(float(len(table)))[:, None].split(3))


def test_columns_are_the_categories_latent_by_latent() -> None:
    torch.manual_seed(0)
    probabilities = torch.rand(N, D, K, dtype=torch.float64)
    probabilities /= probabilities.sum(-1, keepdim=True)
    found = represent(DiscreteVAE((1,), D, K, MLP((2,))), probabilities.log() + 3)
    assert set(found) == {"codes", "probabilities"}
    np.testing.assert_allclose(found["probabilities"], probabilities.reshape(N, D * K))
    for row, p in zip(found["codes"], probabilities, strict=True):
        expected = np.zeros(D * K)
        for d in range(D):
            expected[d * K + int(p[d].argmax())] = 1
        np.testing.assert_array_equal(row, expected)


def test_codes_are_those_of_encode() -> None:
    torch.manual_seed(0)
    model, x = DiscreteVAE((5,), D, K, MLP((6,))), torch.rand(N, 5)
    codes = representations(model, [x])["codes"].reshape(N, D, K).argmax(-1)
    np.testing.assert_array_equal(codes, model.encode(x))


def test_a_gaussian_gives_its_mean_and_not_its_scale() -> None:
    torch.manual_seed(0)
    table = torch.randn(N, D, 2)
    found = represent(GaussianVAE((1,), D, MLP((2,))), table)
    assert list(found) == ["mean"]
    np.testing.assert_array_equal(found["mean"], table[..., 0])


def test_nan_is_refused_where_argmax_would_hide_it() -> None:
    table = torch.zeros(N, D, K)
    table[2:4, 0, 1] = torch.nan
    with pytest.raises(ValueError, match="`model` must give numbers, got NaN for 2 of 8"):
        represent(DiscreteVAE((1,), D, K, MLP((2,))), table)


def test_no_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="`batches` must hold at least one batch, got none"):
        representations(DiscreteVAE((1,), D, K, MLP((2,))), [])


def test_rows_are_different_ordered_and_a_function_of_the_key() -> None:
    rows = draw_rows(1000, 100, "a", 0)
    assert len(set(rows.tolist())) == 100
    assert (np.diff(rows) > 0).all()
    assert rows.max() > 500  # not the first ones: 2 ** -100 by chance
    np.testing.assert_array_equal(rows, draw_rows(1000, 100, "a", 0))
    assert (rows != draw_rows(1000, 100, "a", 1)).any()
    np.testing.assert_array_equal(draw_rows(5, 100, "a", 0), np.arange(5))


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((0, 2)), None, "`x` must have at least one row, got none"),
        (np.array([[np.nan, np.inf, 1.0]]), None, "`x` must be finite, got 2 numbers"),
        (np.zeros((2, 1)), np.array([1]), "`y` must have one label .* the 2 rows of `x`, got 1"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(
    x: np.ndarray, labels: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        require_rows(x, labels, ("x", "y"))
