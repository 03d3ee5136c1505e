"""Start and revival of a codebook, with the averages and without."""

import copy

import pytest
import torch
from torch import Tensor

from discretevae.latents.quantisers import VectorQuantiser


def quantiser(by_gradient: bool = False, **options: float) -> VectorQuantiser:
    return VectorQuantiser(8, 2, by_gradient=by_gradient, **options)


@pytest.mark.parametrize("by_gradient", [False, True])
def test_the_first_batch_in_training_starts_it_and_no_other(by_gradient: bool) -> None:
    ours, z = quantiser(by_gradient, revive_below=0), 5 + 0.1 * torch.randn(200, 2)
    random = ours.codebook.clone()
    ours.eval()(z)
    assert torch.equal(ours.codebook, random)
    ours.train()(z)
    assert (ours.codebook - 5).abs().max() < 1
    started = ours.codebook.clone()
    ours(z + 100)
    moved = (ours.codebook - started).abs().amax(-1)
    assert (moved > 0.1).sum() <= 1  # its nearest follows, and nothing starts again


def test_what_is_saved_knows_whether_it_started() -> None:
    ours, z = quantiser(), torch.randn(200, 2)
    ours(z)
    loaded, fresh = quantiser(), quantiser()
    loaded.load_state_dict(ours.state_dict())
    fresh.load_state_dict(quantiser().state_dict())
    assert not loaded.waits
    assert not copy.deepcopy(loaded).waits
    assert fresh.waits


def test_the_averages_begin_with_no_more_than_the_first_batch() -> None:
    """The second has a third of the weight, where the decay alone gave it a hundredth."""
    ours = VectorQuantiser(2, 1, revive_below=0)
    ours(torch.tensor([[0.0], [0.0], [9.0], [9.0]]))
    ours(torch.tensor([[1.0], [1.0], [9.0], [9.0]]))
    expected = torch.tensor([[1 / 3], [9.0]])
    torch.testing.assert_close(ours.codebook.sort(0).values, expected, rtol=1e-2, atol=1e-2)


def test_a_code_is_dead_once_none_of_the_last_vectors_was_its() -> None:
    """K / ρ = 4 / 0.1: two batches of 16 are too few, a third is not, and one use starts again."""
    ours = VectorQuantiser(4, 1)
    ours.start_from(torch.tensor([[0.0], [1.0], [2.0], [1e3]]))
    z = torch.tensor([[0.0], [1.0], [2.0], [1.9]]).repeat(4, 1)
    for _ in range(2):
        ours(z)
    assert float(ours.codebook[3]) > 990
    ours(torch.cat([z, torch.tensor([[999.0]])]))
    for _ in range(2):
        ours(z)
    assert float(ours.codebook[3]) > 990
    ours(z)
    assert float(ours.codebook[3]) < 3


def test_what_was_saved_before_codes_were_watched_loads() -> None:
    ours, loaded = quantiser(), quantiser()
    ours(torch.randn(200, 2))
    state = {name: value for name, value in ours.state_dict().items() if name != "idle"}
    loaded.load_state_dict(state)
    assert torch.equal(loaded.codebook, ours.codebook)
    assert not loaded.idle.any()


def test_a_dead_code_comes_back_and_is_used() -> None:
    ours = VectorQuantiser(4, 2)
    ours.start_from(torch.tensor([[0.1, 0.0], [0.0, 0.1], [-0.1, 0.0], [1e3, 1e3]]))
    for _ in range(30):
        ours(0.1 * torch.randn(100, 2))
    assert ours.codebook.abs().max() < 1
    assert len(ours.eval().nearest(0.1 * torch.randn(400, 2)).unique()) == 4


def test_almost_all_codes_are_used_soon_where_most_vectors_are_alike() -> None:
    """Nine in ten are the background of an image, and the rest moves as a new encoder's does."""
    ours = VectorQuantiser(64, 4)
    for step in range(20):
        rest = torch.randn(100, 4) * (1 + step / 4) + step
        ours(torch.cat([torch.full((900, 4), float(step)), rest]))
    found = ours.eval().nearest(torch.randn(2000, 4) * (1 + step / 4) + step)
    assert len(found.unique()) > 0.9 * 64


def check_that_a_revived_code_stays(kind: type[VectorQuantiser]) -> None:
    """Revives code 3 by a batch that is all 7; what comes next does not use it."""
    ours, far = kind(8, 2), torch.full((2,), 1e3)
    ours.start_from(torch.randn(8, 2))
    ours.codebook[3], ours.idle[3], ours.sums[3] = far, 1e3, far
    ours(torch.full((50, 2), 7.0))
    count = ours.counts[3].clone()
    assert torch.equal(ours.codebook[3], torch.full((2,), 7.0))
    ours(torch.full((20, 2), -50.0))
    torch.testing.assert_close(ours.codebook[3], torch.full((2,), 7.0), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(ours.counts[3], 0.99 * count)


def test_a_revived_code_stays_where_it_is_with_a_count_of_its_own() -> None:
    check_that_a_revived_code_stays(VectorQuantiser)


class Forgetful(VectorQuantiser):
    """Revives as espnet did before its pull request 6284: the vector, and not its averages."""

    def revive(self, vectors: Tensor, codes: Tensor) -> None:
        counts, sums = self.counts.clone(), self.sums.clone()
        super().revive(vectors, codes)
        self.counts.copy_(counts)
        self.sums.copy_(sums)


def test_revival_that_forgets_the_averages_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_that_a_revived_code_stays(Forgetful)


def test_a_codebook_that_learns_by_gradient_is_revived_too() -> None:
    ours = quantiser(by_gradient=True)
    ours.start_from(torch.cat([torch.randn(7, 2), torch.full((1, 2), 1e3)]))
    for _ in range(10):
        ours(torch.randn(100, 2))
    assert ours.codebook.abs().max() < 10


def test_without_revival_a_dead_code_stays_dead() -> None:
    ours = quantiser(by_gradient=True, revive_below=0)
    ours.start_from(torch.cat([torch.randn(7, 2), torch.full((1, 2), 1e3)]))
    for _ in range(10):
        ours(torch.randn(100, 2))
    assert torch.equal(ours.codebook[7], torch.full((2,), 1e3))
