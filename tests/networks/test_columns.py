import json
import math

import pytest
import torch
from torch import nn

from discretevae.networks import network_from_config
from discretevae.networks.columns import ColumnsNetwork, HiddenCells, RowFeatures
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, Column, NumericColumn

COLUMNS: tuple[Column, ...] = (
    CategoricalColumn("grape", ("A", "B", "C")),
    NumericColumn("ash", 2.5, 0.5),
    BinaryColumn("strong", ("no", "yes")),
    NumericColumn("hue", -1.0, 4.0),
)
NAN = math.nan
ROWS = torch.tensor([[2.0, 3.5, 1.0, NAN], [0.0, NAN, 0.0, 3.0], [NAN, 2.5, NAN, -1.0]])


def test_what_the_encoder_sees_by_hand() -> None:
    """Numbers standardised, signs, one-hot categories, then which cells are there."""
    expected = [
        [2.0, 0.0, 1.0, 0, 0, 1, 1, 1, 1, 0],
        [0.0, 1.0, -1.0, 1, 0, 0, 1, 0, 1, 1],
        [0.0, 0.0, 0.0, 0, 0, 0, 0, 1, 0, 1],
    ]
    assert RowFeatures(COLUMNS)(ROWS).tolist() == expected


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)])
@pytest.mark.parametrize("widths", [(), (7,), (7, 5)])
@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:1], COLUMNS[1:2], COLUMNS[2:3]])
def test_any_table_and_widths(
    columns: tuple[Column, ...], widths: tuple[int, ...], batch: tuple[int, ...]
) -> None:
    network, shape = ColumnsNetwork(columns, widths), (len(columns),)
    encoder, decoder = network.encoder(shape, 6), network.decoder(6, (9,))
    features = encoder(torch.zeros(*batch, *shape).masked_fill(torch.rand(shape) < 0.5, NAN))
    assert features.shape == (*batch, 6)
    assert features.isfinite().all()
    assert decoder(features).shape == (*batch, 9)
    found = [m.out_features for m in decoder if isinstance(m, nn.Linear)]
    assert found == [*reversed(widths), 9]
    assert all(isinstance(m, nn.LeakyReLU) for m in list(decoder)[1:-1:2])


def test_hidden_cells_are_the_stated_fraction_and_only_while_training() -> None:
    """It fails by chance once in 10^6 runs; it would see a fraction off by 0.02."""
    hide, x = HiddenCells(0.3), torch.rand(20_000, 2).masked_fill(torch.rand(20_000, 2) < 0.5, NAN)
    seen = hide(x)
    there = ~x.isnan()
    gone = seen[there].isnan()
    bound = 4.9 * math.sqrt(0.3 * 0.7 / len(gone))
    assert bound < 0.02
    assert abs(gone.double().mean() - 0.3) < bound
    assert torch.equal(seen[~seen.isnan()], x[~seen.isnan()])
    assert hide.eval()(x) is x


def test_other_cells_are_hidden_each_time_and_the_same_ones_when_resumed() -> None:
    network = ColumnsNetwork(COLUMNS, (7,), hidden=0.5)
    encoder, x = network.encoder((4,), 6), torch.ones(50, 4)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    first, second = encoder(x), encoder(x)
    assert not torch.equal(first, second)
    again = network.encoder((4,), 6)
    again.load_state_dict(state)
    torch.manual_seed(99)
    assert torch.equal(again(x), first)
    assert torch.equal(again(x), second)


def test_nothing_hidden_is_no_state() -> None:
    encoder = ColumnsNetwork(COLUMNS, (7,)).encoder((4,), 6)
    assert all("weight" in name or "bias" in name for name in encoder.state_dict())
    assert torch.equal(encoder.train()(ROWS), encoder.eval()(ROWS))


def test_all_that_is_stored_is_of_one_type() -> None:
    encoder = ColumnsNetwork(COLUMNS, (7,), hidden=0.5).encoder((4,), 6)
    assert {value.dtype for value in encoder.state_dict().values()} == {torch.float32}


def test_the_configuration_rebuilds_it() -> None:
    network = ColumnsNetwork(COLUMNS, (7, 5), 0.25)
    assert network_from_config(json.loads(json.dumps(network.config()))) == network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ()}, "`columns` must be at least one"),
        ({"widths": (4, 0)}, "`widths` must be positive"),
        ({"hidden": 1.0}, r"`hidden` must be a fraction in \[0, 1\), got 1.0"),
        ({"hidden": NAN}, r"`hidden` must be a fraction in \[0, 1\), got nan"),
    ],
)
def test_what_makes_no_network_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ColumnsNetwork(**{"columns": COLUMNS, **options})


def test_rows_of_another_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`shape` must be \(4,\) for as many columns, got \(5,\)"):
        ColumnsNetwork(COLUMNS).encoder((5,), 6)
