import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.schema.columns import (
    BinaryColumn,
    CategoricalColumn,
    Cells,
    Column,
    NumericColumn,
    as_columns,
)

COLUMNS: tuple[Column, ...] = (
    CategoricalColumn("grape", ("A", "B", "C")),
    NumericColumn("ash", 2.5, 0.5),
    BinaryColumn("strong", ("no", "yes")),
    CategoricalColumn("cask", ("oak",)),
    NumericColumn("hue", -1.0, 4.0),
)
NAN = math.nan


def test_columns_survive_a_file_of_plain_types() -> None:
    configs = json.loads(json.dumps([column.config() for column in COLUMNS]))
    assert as_columns(configs) == COLUMNS
    assert as_columns([COLUMNS[0], configs[1], *COLUMNS[2:]]) == COLUMNS
    assert hash(as_columns(configs)) == hash(COLUMNS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "binry", "name": "a"}, r"`kind` must be .* \(did you mean 'binary'\?\)"),
        (
            {"name": "a"},
            "`kind` must be one of numeric, quantiles, binary, categorical, got 'None'",
        ),
        ({"kind": "numeric", "name": "a"}, "`columns` must describe columns, got .*'mean'"),
        ({"kind": "numeric", "name": "a", "mean": 0.0, "scale": 0.0}, "`scale` of column 'a' must"),
        ({"kind": "numeric", "name": "a", "mean": NAN, "scale": 1.0}, "`mean` of column 'a' must"),
        ({"kind": "numeric", "name": "a", "mean": 0.0, "scale": NAN}, "must be positive, got nan"),
        (
            {"kind": "binary", "name": "a", "categories": ["x", "y", "z"]},
            "`categories` of binary column 'a' must be two, all different, got .*'z'",
        ),
        ({"kind": "binary", "name": "a", "categories": ["x", "x"]}, "two, all different"),
        ({"kind": "categorical", "name": "a", "categories": []}, "at least 1, all different"),
        ({"kind": "categorical", "name": "a", "categories": ["x", "y", "x"]}, "all different"),
    ],
)
def test_what_describes_no_column_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_columns([config])


@pytest.mark.parametrize("columns", [[], [COLUMNS[0], COLUMNS[0]]])
def test_columns_have_names_of_their_own(columns: list[Column]) -> None:
    with pytest.raises(ValueError, match="at least one, with names of their own"):
        as_columns(columns)


CELLS = st.tuples(
    st.integers(0, 2),
    st.floats(-100, 100, width=32),
    st.integers(0, 1),
    st.just(0),
    st.floats(-100, 100, width=32),
)


@settings(deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=5))
def test_a_complete_row_is_what_its_numbers_and_categories_say(rows: list[tuple]) -> None:
    cells, x = Cells(COLUMNS).double(), torch.tensor(rows, dtype=torch.float64)
    back = cells.row(cells.numbers(x), cells.one_hot(x))
    torch.testing.assert_close(back, x, rtol=0, atol=1e-12)
    assert torch.equal(back[:, [0, 2, 3]], x[:, [0, 2, 3]])


@pytest.mark.parametrize("batch", [(), (1,), (1, 1)])
def test_cells_by_hand(batch: tuple[int, ...]) -> None:
    cells = Cells(COLUMNS)
    x = torch.tensor([2.0, 3.5, 0.0, 0.0, NAN]).expand(*batch, 5)
    assert cells.numbers(x).flatten().tolist() == [2.0, 0.0]
    assert cells.observed(x).flatten().tolist() == [True, False]
    assert cells.one_hot(x).flatten().tolist() == [1, 0, 0, 0, 1, 1]  # strong, grape, cask
    assert [part.shape[-1] for part in cells.by_category(cells.one_hot(x))] == [2, 3, 1]
    assert cells.one_hot(x).shape == (*batch, 6)


def test_a_missing_cell_is_nothing_also_for_gradients() -> None:
    cells, x = Cells(COLUMNS), torch.full((1, 5), NAN, requires_grad=True)
    total = cells.numbers(x).sum() + cells.one_hot(x).sum()
    assert total == 0
    (gradient,) = torch.autograd.grad(total, x)
    assert torch.equal(gradient, torch.zeros(1, 5))


def test_nothing_of_the_cells_is_a_weight() -> None:
    assert not Cells(COLUMNS).state_dict()
