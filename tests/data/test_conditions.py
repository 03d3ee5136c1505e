"""What a conditional model is told, from labels and from files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.data import (
    Batch,
    Batches,
    DataError,
    Examples,
    class_context,
    load,
    partly_labelled,
)


def write(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_labels_become_one_hot_rows() -> None:
    data = load("digits", condition="labels")
    for part in (data.train, data.validation, data.test):
        assert part.context is not None
        assert part.labels is not None
        torch.testing.assert_close(part.context, torch.eye(10)[part.labels])
    assert data.originals is not None
    assert data.originals.context is not None


def test_without_a_condition_there_is_no_context(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", x=np.eye(20), context=np.ones((20, 3)))
    assert load(path).train.context is None
    assert load("digits").train.context is None


def test_a_context_of_a_file_stays_with_its_row(tmp_path: Path) -> None:
    x = np.arange(40.0).reshape(20, 2)
    path = write(tmp_path / "d.npz", x=x, context=x * 10)
    data = load(path, condition="context")
    for part in (data.train, data.validation, data.test):
        assert part.context is not None
        torch.testing.assert_close(part.context, part.x * 10)


def test_images_as_contexts_have_their_channels_first(tmp_path: Path) -> None:
    images = np.zeros((20, 8, 8), np.uint8)
    images[:, 0] = 255
    path = write(tmp_path / "d.npz", x=np.eye(20), context=images)
    context = load(path, condition="context").train.context
    assert context is not None
    assert context.shape[1:] == (1, 8, 8)
    assert float(context.max()) == 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_bring_the_contexts_of_their_rows(shuffle: bool) -> None:
    x = torch.arange(10.0)[:, None]
    batches = list(
        Batches(Examples(x, context=x * 2), 3, load("digits").binarizer, shuffle=shuffle)
    )
    assert [len(batch.x) for batch in batches if isinstance(batch, Batch)] == [3, 3, 3, 1]
    for batch in batches:
        assert isinstance(batch, Batch)
        assert batch.context is not None
        torch.testing.assert_close(batch.context, batch.x * 2)


@pytest.mark.parametrize(
    ("condition", "arrays", "message"),
    [
        ("labels", {"x": np.eye(20)}, "needs labels, which d has not"),
        (
            "labels",
            {"x": np.eye(20), "y": np.arange(20) - 1},
            "at least 0 for `condition` labels, got -1",
        ),
        ("context", {"x": np.eye(20)}, "needs an array `context`"),
        ("context", {"x": np.eye(20), "context": np.zeros(20)}, "at least 2 dimensions"),
        ("context", {"x": np.eye(20), "context": np.full((20, 2), np.nan)}, "finite"),
        ("context", {"x": np.eye(20), "context": np.zeros((19, 2))}, r"of shape \(20, …\)"),
        ("label", {"x": np.eye(20)}, "Did you mean labels"),
    ],
)
def test_what_a_condition_lacks_is_said(
    condition: str, arrays: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "d.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(path, condition=condition, validation=0.0, test=0.0)


def test_a_class_that_training_has_not_seen_is_refused() -> None:
    with pytest.raises(DataError, match=r"must lie in \[0, 3\).*from 1 to 3"):
        class_context(torch.tensor([1, 3]), 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_as_many_labels_of_each_class_are_kept_and_no_other(seed: int) -> None:
    data = load("digits", labelled=50, seed=seed)
    train = data.train
    assert train.context is not None
    assert train.labels is not None
    known = train.context[:, 0] >= 0
    assert torch.equal(train.context[known, 0].long(), train.labels[known])
    different = {tuple(x.flatten().tolist()) for x in train.x[known]}
    assert len(different) == 50
    assert train.labels[known].bincount().tolist() == [15] * 10  # five examples, thrice each
    assert 0.05 < known.float().mean() < 0.15
    for part in (data.validation, data.test):
        assert part.context is not None
        assert bool((part.context == -1).all())


def test_other_seeds_keep_other_labels() -> None:
    parts = [partly_labelled(load("digits"), 10, seed).train for seed in range(2)]
    first, second = (
        set(p.context[:, 0].nonzero()[:, 0].tolist()) for p in parts if p.context is not None
    )
    assert first != second


@pytest.mark.parametrize("labelled", [0, 5, 15])
def test_labels_that_do_not_divide_among_the_classes_are_refused(labelled: int) -> None:
    with pytest.raises(DataError, match="multiple of the number of classes, 10, got"):
        load("digits", labelled=labelled)


def test_more_labels_than_there_are_are_refused() -> None:
    with pytest.raises(DataError, match="must leave at most 134"):
        load("digits", labelled=1500)
