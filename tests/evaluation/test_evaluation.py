"""What `evaluate` returns: a dictionary that is shown as a table."""

import json
from typing import Any

import pytest
import torch

from discretevae.data import BINARIZERS, Examples, Splits
from discretevae.evaluation import Evaluation, evaluate
from discretevae.models import DiscreteVAE


def entry(value: Any, se: float | None = None, unit: str = "nats per example") -> dict[str, Any]:
    return {"value": value, "se": se, "unit": unit}


RECORD = {
    "train": {"elbo": entry(-97.04, 0.1), "kl": entry(7.0, 0.02)},
    "test": {
        "elbo": entry(-98.234, 0.41),
        "log_likelihood": entry(-95.0, 0.39),
        "active_latents": entry(3, unit="of 4 latents"),
        "kl_per_latent": entry([0.5, 1.25]),
    },
}


def test_it_is_shown_as_a_table() -> None:
    assert repr(Evaluation(RECORD)).splitlines()[1:] == [
        "                             train         test",
        "elbo                   −97.0 ± 0.1  −98.2 ± 0.4",
        "log likelihood                   –  −95.0 ± 0.4",
        "active latents (of 4)            –            3",
    ]


def test_a_notebook_gets_html() -> None:
    page = Evaluation({"<b>": {"elbo": entry(-1.0, 0.1)}})._repr_html_()
    assert "<th>&lt;b&gt;</th>" in page
    assert "<td>elbo</td><td>−1.0 ± 0.1</td>" in page


def test_it_is_a_dictionary() -> None:
    found = Evaluation(RECORD)
    assert found == RECORD
    assert json.loads(json.dumps(found)) == RECORD


def test_a_frame_has_every_figure() -> None:
    frame = Evaluation(RECORD).to_frame()
    assert len(frame) == 6
    assert frame.loc[("test", "elbo"), "se"] == pytest.approx(0.41)


def test_evaluate_gives_one_that_fits_eighty_columns() -> None:
    x = Examples(torch.rand(30, 5, generator=torch.Generator().manual_seed(0)).round())
    found = evaluate(
        DiscreteVAE((5,), 2, 3), Splits("x", x, x, x, binarizer=BINARIZERS["none"]), samples=3
    )
    assert isinstance(found, Evaluation)
    lines = repr(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["train", "validation", "test"]
