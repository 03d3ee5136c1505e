"""Where positions stand; all else of the prior is in `test_grid.py`."""

import torch

from discretevae.networks.text import TransformerBlock
from discretevae.priors import TransformerPrior
from discretevae.priors.transformer import Cache


def test_a_coarse_grid_stands_on_every_so_many_rows_and_columns_of_the_finest() -> None:
    prior = TransformerPrior(1 + 4 + 8, 2, [[1, 1], [2, 2], [2, 4]], width=4, layers=1)
    rows, columns, levels = prior.places.tolist()
    assert levels == [0] + [1] * 4 + [2] * 8
    assert rows == [0] + [0, 0, 1, 1] + [0] * 4 + [1] * 4
    assert columns == [0] + [0, 2, 0, 2] + [0, 1, 2, 3] * 2
    assert prior.rows.shape == (2, 4)
    assert prior.columns.shape == (4, 4)


def test_places_are_not_saved() -> None:
    assert "places" not in TransformerPrior(4, 2, width=4, layers=1).state_dict()


def test_a_cache_gives_all_so_far_in_their_order() -> None:
    keys = torch.randn(2, 3, 5, 4)
    cache, values = Cache(5), -keys
    for part in (slice(0, 3), slice(3, 4), slice(4, 5)):
        found = cache.extended(keys[:, :, part], values[:, :, part])
    assert torch.equal(found[0], keys)
    assert torch.equal(found[1], values)


def test_it_is_the_block_of_sentences_behind_a_causal_mask() -> None:
    prior = TransformerPrior(4, 3, width=8, layers=2).double()
    block = prior.blocks[0]
    assert isinstance(block, TransformerBlock)
    x = torch.randn(5, 4, 8, dtype=torch.float64)
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
    y = x
    for block in prior.blocks:
        y, _ = block(y, mask)
    torch.testing.assert_close(prior._through(x, [None, None]), prior.norm(y))
