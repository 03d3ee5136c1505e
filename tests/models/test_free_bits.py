"""The floor of the KL in every model: at E_q of what comes before, and over the batch."""

from typing import Any

import pytest
import torch
from enumeration import Rows, all_rows, rule
from small_models import BETA, Case
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from discretevae.estimators import exact
from discretevae.latents.variables import gaussian as gaussian_variable

TOP_DOWN = [Case("two layers, top-down"), Case("three layers, top-down")]
CLOSED = [
    *TOP_DOWN,
    Case("flat"),
    Case("conditional", "conditional"),
    Case("joint"),
]
top_down = pytest.mark.parametrize("case", TOP_DOWN, ids=str)


def made(case: Case, **options: Any) -> tuple[Any, Tensor, Tensor | None]:
    """Posteriors that differ much from code to code."""
    torch.manual_seed(11)
    return case.model(scale=1.0, **options), *case.data(4)


def floor_between(rows: Rows) -> float:
    """A floor that some latents lie above and some below."""
    means = torch.cat([cost.mean(0) for cost in rows.costs.values()]).sort().values
    return float((means[:-1].mean() + means[1:].mean()).detach()) / 2


def gradients(value: Tensor, model: Any) -> dict[str, Tensor]:
    named = dict(model.named_parameters())
    found = torch.autograd.grad(value, [*named.values()], allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for (name, p), g in zip(named.items(), found, strict=True)
    }


def objective(case: Case, model: Any, x: Tensor, c: Tensor | None) -> Tensor:
    """The mean over the batch; where there is a u, over its noise too."""
    if case.kind != "joint":
        return model.objective(x, context=c).mean()
    grid, log_weights = rule(24, 1)
    with pytest.MonkeyPatch.context() as patch:
        noise = grid[:, None]
        patch.setattr(gaussian_variable, "draw", lambda fill, shape, *_: noise.expand(shape))
        values = model.objective(x.expand(len(grid), *x.shape))
    return (log_weights.exp()[:, None] * values).sum(0).mean()


@pytest.mark.parametrize("case", CLOSED, ids=str)
def test_the_floor_is_applied_to_the_kl_expected_under_q_and_over_the_batch(case: Case) -> None:
    """Value and all gradients are those of the formula, with latents on both sides of the floor."""
    plain, x, c = made(case)
    rows = all_rows(plain, x, c, nodes=24)
    floor = floor_between(rows)
    means = torch.cat([cost.mean(0) for cost in rows.costs.values()])
    assert (means > floor).any()
    assert (means < floor).any()
    model, x, c = made(case, free_bits=floor)
    expected = all_rows(model, x, c, nodes=24).floored(floor, BETA)
    found = objective(case, model, x, c)
    torch.testing.assert_close(found, expected)
    ours, truth = gradients(found, model), gradients(expected, model)
    for name, gradient in truth.items():
        torch.testing.assert_close(ours[name], gradient, msg=name)


@top_down
def test_the_floor_looks_at_no_unweighted_mean_over_codes(case: Case) -> None:
    """With a floor between that mean, which version 0.1.0 looked at, and the one under q."""
    model, x, c = uneven(case, free_bits=telling_floor(case))
    expected = all_rows(model, x, c).floored(model.free_bits, BETA)
    torch.testing.assert_close(model.objective(x).mean(), expected)


def telling_floor(case: Case) -> float:
    """Between the two means of the latent of z1 in which they differ most."""
    with torch.no_grad():
        rows = all_rows(*uneven(case))
        under_q, unweighted = rows.costs["z1"].mean(0), unweighted_kl(rows)
    far = (under_q - unweighted).abs().argmax()
    assert (under_q - unweighted)[far].abs() > 0.5
    return float(under_q[far] + unweighted[far]) / 2


def uneven(case: Case, **options: Any) -> tuple[Any, Tensor, Tensor | None]:
    """With a top layer that q is sure of, and a p(z1 | …) that differs from code to code."""
    model, x, c = made(case, **options)
    with torch.no_grad():
        for network in (model.posterior_networks[-1], model.prior_networks[0]):
            for parameter in network.parameters():
                parameter.mul_(2)
    return model, x, c


def unweighted_kl(rows: Rows) -> Tensor:
    """The KL of z1, its codes weighted by q, all codes of the layers above weighted alike."""
    q = rows.log_q["z1"].sum(-1).exp()[..., None]
    above = len({tuple(code[name] for name in rows.names[1:]) for code in rows.codes})
    return (q * (rows.log_q["z1"] - rows.log_p["z1"])).sum(0).mean(0) / above


@top_down
@pytest.mark.parametrize("rows", [4, 7, 40])
def test_it_does_not_depend_on_how_the_codes_are_cut_into_chunks(
    case: Case, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x, _ = uneven(case, free_bits=telling_floor(case))
    whole = model.objective(x)
    expected = gradients(whole.mean(), model)
    monkeypatch.setattr(exact, "ROWS", rows)
    found = model.objective(x)
    torch.testing.assert_close(found, whole)
    for name, gradient in gradients(found.mean(), model).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


@top_down
def test_below_the_floor_priors_go_on_following_q_which_is_free(case: Case) -> None:
    model, x, c = made(case, free_bits=50.0)
    found = gradients(model.objective(x).mean(), model)
    truth = gradients(all_rows(model, x, c).reconstruction.mean(), model)
    kl = gradients(sum(all_rows(model, x, c).kl.values()).mean(), model)
    for name in truth:
        if name.startswith("prior"):  # as without a floor
            assert found[name].abs().max() > 0, name
            torch.testing.assert_close(found[name], -BETA * kl[name], msg=name)
        else:  # of the reconstruction alone
            torch.testing.assert_close(found[name], truth[name], msg=name)


def test_a_step_moves_a_prior_below_the_floor_towards_q() -> None:
    """What was frozen: after thirty steps on the priors alone the KL is lower than before."""
    model, x, _ = made(Case("two layers, top-down"), free_bits=50.0)
    priors = [*model.prior_networks.parameters(), *model.prior.parameters()]
    before = parameters_to_vector(priors).detach().clone()
    costs = float(sum(all_rows(model, x).kl.values()).mean().detach())
    optimizer = torch.optim.Adam(priors, 0.1)
    for _ in range(30):
        optimizer.zero_grad()
        (-model.objective(x)).mean().backward()
        optimizer.step()
    assert not torch.equal(before, parameters_to_vector(priors))
    assert float(sum(all_rows(model, x).kl.values()).mean().detach()) < 0.8 * costs


def test_the_bound_that_is_reported_knows_of_no_floor() -> None:
    case = Case("flat")
    (model, x, _), (plain, _, _) = made(case, free_bits=5.0), made(case)
    same = [m.elbo(x, 1, torch.Generator().manual_seed(0)) for m in (model, plain)]
    assert torch.equal(*same)
