"""Latents to look at one by one, and what a network foretells once one is changed."""

from collections.abc import Callable

import pytest
import torch

from discretevae.data.activations import load_activations
from discretevae.experiments.sparse_run import Shown
from discretevae.pages.explorer.latents import LatentSubject
from discretevae.pages.explorer.subject import ExplorerError

Make = Callable[..., LatentSubject]
WIDTH = 260


def test_orders(look: Make) -> None:
    subject = look()
    assert subject.order("number") == [*range(WIDTH)]
    for name in ("density", "effect"):
        values = getattr(subject.of, name)[subject.order(name)]
        assert torch.equal(values, values.sort(descending=True).values)
    a = subject.model.encode(subject.reader.x)  # type: ignore[union-attr]
    torch.testing.assert_close(subject.of.effect, a.square().mean(0).detach(), atol=1e-5, rtol=1e-4)


def test_what_is_foretold_is_that_of_changed_activations(look: Make) -> None:
    subject = look()
    latent, reader = subject.order("effect")[0], subject.reader
    assert reader is not None
    rows = subject.of.rows[latent][:6]
    a = subject.model.encode(reader.x).detach()
    changed = reader.x + (3 - 1) * a[:, latent, None] * subject.model.W_dec[latent].detach()
    p, q = ((x @ reader.matrix).log_softmax(-1).exp() for x in (reader.x, changed))
    found = subject.foretold(latent, 3.0)
    assert [one.row for one in found] == rows.tolist()
    for one in found:
        for said, truth in ((one.before, p), (one.changed, q)):
            best = truth[one.row].max()
            assert said[0][1] == f"{float(best):.0%}"
        kl = float((p[one.row] * (p[one.row] / q[one.row]).log()).sum())
        assert float(one.kl) == pytest.approx(kl, abs=6e-4)
    moved = subject.moved(latent, 3.0)
    kl = (p[:100] * (p[:100] / q[:100]).log()).sum(1)
    assert moved["kl"].value == pytest.approx(float(kl.mean()), rel=1e-4)
    targets = torch.arange(100) % 4
    rise = (p[:100] / q[:100]).log()[torch.arange(100), targets]
    assert moved["ce_rise"].value == pytest.approx(float(rise.mean()), rel=1e-3)
    as_it_is = subject.moved(latent, 1.0)
    assert as_it_is["kl"].value == pytest.approx(0.0, abs=1e-9)


def test_a_latent_that_is_never_active(look: Make) -> None:
    subject = look()
    assert subject.latent(2).examples == []
    assert subject.foretold(2, 0.0) == []
    assert subject.peak(2) == ""


def test_without_a_network(look: Make) -> None:
    subject = look("rows", network=False)
    assert subject.moved(5, 0.0) == {}
    assert subject.foretold(5, 0.0) == []


def test_other_activations_are_refused(look: Make) -> None:
    subject = look()
    with pytest.raises(ExplorerError, match="activations of 6 numbers, as its model takes, got 5"):
        LatentSubject.look(subject.model, load_activations(torch.randn(50, 5)), Shown())


@pytest.mark.parametrize("times", [-1.0, float("nan")])
def test_amplitudes_that_are_none(times: float, look: Make) -> None:
    with pytest.raises(ValueError, match="`times` must be at least 0"):
        look().moved(5, times)
