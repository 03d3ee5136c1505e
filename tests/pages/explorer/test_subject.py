from collections.abc import Callable

import pytest
import torch

from discretevae.models import GaussianVAE, HierarchicalVAE, JointVAE
from discretevae.pages.explorer.subject import (
    ExplorerError,
    Subject,
    changes,
    nearest_codes,
    require_explorable,
)


def test_the_nearest_differ_in_the_fewest_latents() -> None:
    codes = torch.randint(3, (200, 4))
    code = codes[17]
    found = nearest_codes(code, codes, 20)
    by_hand = sorted(
        (sum(a != b for a, b in zip(row, code.tolist(), strict=True)), i)
        for i, row in enumerate(codes.tolist())
    )
    assert list(zip(found.distance.tolist(), found.place.tolist(), strict=True)) == by_hand[:20]
    assert found.same == sum(distance == 0 for distance, _ in by_hand)


def test_changes_are_single() -> None:
    code = torch.tensor([1, 0, 2])
    changed = changes(code, 2, [0, 3])
    assert changed.tolist() == [[1, 0, 0], [1, 0, 3]]
    assert code.tolist() == [1, 0, 2]


def test_a_code_is_found_where_it_stands(make: Callable) -> None:
    subject = Subject.of(*make("grids"))
    assert (subject.num_latents, subject.num_categories) == (8, 5)
    assert subject.grid_of(3) == (0, 2, 2)
    assert subject.grid_of(4) == (4, 2, 2)
    for latent in (1, 6):
        first, rows, columns = subject.grid_of(latent)
        on_grid = subject.codes[:, first : first + rows * columns]
        for category in range(5):
            have = [i for i, codes in enumerate(on_grid.tolist()) if category in codes]
            found = subject.occurrences(latent, category, 3)
            assert found.found == len(have)
            assert found.example.tolist() == have[:3]
            places = [first + on_grid[i].tolist().index(category) for i in have[:3]]
            assert found.place.tolist() == places
        often = [int((subject.codes[:, latent] == k).sum()) for k in range(5)]
        kept = subject.most_used(latent, 2)
        assert sorted(often)[-2:] == sorted(often[k] for k in kept)
    with pytest.raises(ValueError, match="must stand on a grid, got 8"):
        subject.grid_of(8)


@pytest.mark.parametrize("kind", [GaussianVAE, HierarchicalVAE, JointVAE])
def test_other_models_are_refused(kind: type) -> None:
    options = {"num_latents": (2, 2)} if kind is HierarchicalVAE else {"num_latents": 2}
    options |= {"num_continuous": 1} if kind is JointVAE else {}
    with pytest.raises(ExplorerError, match=rf"must be of a discrete .*, got a {kind.__name__}"):
        require_explorable(kind((3,), **options))


def test_codes_are_those_of_the_model(make: Callable) -> None:
    model, data = make("images")
    subject = Subject.of(model, data)
    x = subject.training.values()
    assert torch.equal(subject.codes, model.encode(x))
    assert torch.equal(subject.encode(x[3]), subject.codes[3])
    assert torch.allclose(subject.decode(subject.codes[:5]), model.reconstruct(x[:5]))


def test_a_condition_is_kept_apart(make: Callable) -> None:
    model, data = make("conditional")
    subject = Subject.of(model, data)
    assert list(subject.names) == [str(i) for i in range(10)]
    for i in range(5):
        condition = subject.condition_of(subject.starts, i)
        assert subject.label_of(subject.starts, i) == subject.names[condition]
        code = subject.encode(subject.starts.values()[i], condition)
        found = subject.neighbours(code, 4, condition)
        assert set(subject.training.labels[found.place].tolist()) == {condition}
        one, other = subject.decode(code[None], 0), subject.decode(code[None], 1)
        assert not torch.allclose(one, other)


def test_samples_follow_the_prior(make: Callable) -> None:
    model, data = make("images", prior="learned")
    with torch.no_grad():
        model.prior.logits.copy_(torch.tensor([[9.0, -9, -9, -9]]).expand(3, 4))
    subject = Subject.of(model, data)
    assert subject.sample(torch.Generator().manual_seed(0)).tolist() == [0, 0, 0]
