import copy
import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from discretevae.codes.bits_back import BitsBack
from discretevae.data import load
from discretevae.latents.quantisers import QUANTISERS
from discretevae.models import DiscreteVAE, QuantisedVAE, TwoLevelVAE, from_pretrained
from discretevae.networks import ResidualNetwork
from discretevae.priors import AutoregressivePrior
from discretevae.training import TrainingOptions, train
from discretevae.training.prior import fit_afterwards

NETWORK = ResidualNetwork(8, 4, 1)
STACKS = [(1, 1), (2, 1), (1, 2), (2, 2)]
"""Levels and groups."""
SHAPE = (1, 8, 8)


def some(count: int = 5) -> Tensor:
    return torch.bernoulli(torch.full((count, *SHAPE), 0.3))


def small(
    quantiser: str = "vq", levels: int = 1, groups: int = 1, codes: int = 4, **options: Any
) -> QuantisedVAE:
    torch.manual_seed(0)
    sizes = codes, 3 * groups, quantiser, levels
    return QuantisedVAE(SHAPE, *sizes, NETWORK, groups=groups, **options)


def shaken(model: QuantisedVAE, by: float = 0.3) -> QuantisedVAE:
    """With a prior that is not uniform."""
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.add_(by * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(("levels", "groups"), STACKS)
def test_the_bound_is_that_of_the_nearest_codes_and_its_gap_that_of_the_posterior(
    levels: int, groups: int, mode: str
) -> None:
    k = 4 if levels * groups == 1 else 2
    model = shaken(small(levels=levels, groups=groups, codes=k)).double()
    model.objective(some(20).double())  # starts the codebooks
    model.train(mode == "train")
    x = some(2).double()
    vectors = model.encoder(x).unflatten(-1, (4, groups, 3))
    values, codes = torch.zeros_like(vectors), []
    for i, quantiser in enumerate(model.quantisers):
        left = (vectors - values)[:, :, i // levels]
        codes.append(torch.cdist(left, quantiser.codebook.expand(2, -1, -1)).argmin(-1))
        values[:, :, i // levels] += quantiser.codebook[codes[-1]]
    values = values.flatten(-2)
    z = torch.cat(codes, -1)
    assert all(len(part.unique()) > 1 for part in codes)
    assert torch.equal(model.encode(x), z)
    log_p_x = model.likelihood(model.decoder(values.flatten(-2))).log_prob(x)
    expected = log_p_x + model.prior.log_prob_of_codes(z)
    torch.testing.assert_close(model.elbo(x, 3), expected)
    torch.testing.assert_close(model.log_likelihood(x, 10), expected)
    if levels * groups < 4:  # 256 codes
        every = torch.tensor(list(product(range(k), repeat=z.shape[-1])))
        parts = zip(model.quantisers, every.split(4, -1), strict=True)
        looked_up = [quantiser.codebook[part] for quantiser, part in parts]
        together = torch.cat(looked_up, -1) if levels == 1 else torch.stack(looked_up).sum(0)
        decoded = model.decoder(together.flatten(-2))
        joint = model.likelihood(decoded.unsqueeze(1)).log_prob(x)
        joint = joint + model.prior.log_prob_of_codes(every)[:, None]
        log_p = joint.logsumexp(0)
        torch.testing.assert_close(model.exact_log_likelihood(x), log_p)
        place = (z * k ** torch.arange(z.shape[-1] - 1, -1, -1)).sum(-1)
        gap = -(joint[place, torch.arange(2)] - log_p)
        torch.testing.assert_close(log_p - model.elbo(x), gap)
        assert (gap > 0).all()


def test_the_prior_is_trained_with_a_rate_and_else_fitted_afterwards() -> None:
    for rate in (False, True):
        model = small(rate=rate)
        (-model.objective(some()).mean()).backward()
        gradients = [p.grad for p in model.prior.parameters()]
        assert any(g is not None and bool(g.any()) for g in gradients) == rate
        assert (model.fitted_afterwards is None) == rate
        encoder = next(model.encoder.parameters()).grad
        assert encoder is not None
        assert bool(encoder.any())


def test_a_fit_raises_the_bound_and_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discretevae.training.prior.MOST_PASSES", 40)
    data = load("digits", binarize="threshold", limit=150)
    prior = {"kind": "pixelcnn", "grids": [[2, 2], [2, 2]], "width": 8, "layers": 2}
    model = small(levels=2, prior=prior)
    options = TrainingOptions(epochs=2, accelerator="cpu", progress_bar=False)
    history = train(model, data, options)
    x = data.validation.values()
    codes, decoded = model.encode(x), model.reconstruct(x)
    fitted = float(model.elbo(x).detach().mean())
    assert fitted > history[-1]["validation_elbo"] + 1  # in nats; there the prior was uniform
    again = fit_afterwards(model, data)
    assert again[-1] >= again[0]
    assert torch.equal(model.encode(x), codes)
    assert torch.equal(model.reconstruct(x), decoded)


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_each_group_is_trained_as_its_quantiser_alone_would_be(quantiser: str) -> None:
    model, x = small(quantiser, groups=2), some(30)
    alone = copy.deepcopy(model)
    torch.manual_seed(1)
    found = model.objective(x)
    torch.manual_seed(1)
    vectors = alone.encoder(x).unflatten(-1, (4, -1))
    if alone.whitened:
        vectors = alone.whitening[0](vectors)
    half = vectors.shape[-1] // 2
    first = alone.quantisers[0](vectors[..., :half])
    second = alone.quantisers[1](vectors[..., half:])
    seen = torch.cat([first.values, second.values], -1).flatten(-2)
    log_p_x = alone.likelihood(alone.decoder(seen)).log_prob(x)
    expected = log_p_x - first.cost.sum(-1) - second.cost.sum(-1)
    torch.testing.assert_close(found, expected)
    found.mean().backward()
    expected.mean().backward()
    for (name, ours), theirs in zip(model.named_parameters(), alone.parameters(), strict=True):
        if not name.startswith("prior"):
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


@pytest.mark.parametrize(("levels", "groups"), STACKS)
@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_every_quantiser_trains_saves_and_loads(
    quantiser: str, levels: int, groups: int, tmp_path: Path
) -> None:
    model, x = small(quantiser, levels, groups), some(30)
    (-model.objective(x).mean()).backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    model.eval().save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    codes = again.encode(x)
    assert torch.equal(codes, model.encode(x))
    assert codes.dtype == torch.int64
    assert [grid.shape for grid in model.on_grids(codes)] == [(30, 2, 2)] * (levels * groups)
    torch.testing.assert_close(again.decode(codes).mean, model.reconstruct(x))
    torch.testing.assert_close(again.elbo(x), model.elbo(x))
    assert again.sample(3).shape == (3, *SHAPE)
    assert again.describe() == model.describe()
    seed = torch.Generator().manual_seed(0)
    again.train()
    again.objective(x, seed)  # a codebook that has started does not start anew
    if "started" in dict(again.quantisers[0].named_buffers()):
        assert not again.quantisers[0].waits


def test_levels_of_a_residual_model_share_what_whitens_and_move_it_once() -> None:
    model, x = small("fsq", levels=3), some(30)
    model.objective(x)
    assert len(model.whitening) == 1
    assert float(model.whitening[0].seen) == pytest.approx(0.2)
    before = model.whitening[0].mean.clone()
    model.eval().elbo(x)
    assert torch.equal(model.whitening[0].mean, before)


@pytest.mark.parametrize("quantiser", ["fsq", "simvq", "diveq"])
def test_what_was_saved_before_codes_were_watched_is_as_it_was(
    quantiser: str, tmp_path: Path
) -> None:
    old = small(quantiser, whitened=False)
    old.eval().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["whitened"], config["sha256"]
    if quantiser == "simvq":
        del config["quantiser"]["revive_below"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    x = some(30)
    torch.testing.assert_close(from_pretrained(tmp_path).elbo(x), old.elbo(x))
    assert not {n for n in old.weights() if n.endswith("idle")}


def test_codes_stand_row_by_row_and_levels_one_after_the_other() -> None:
    torch.manual_seed(0)
    model = QuantisedVAE((1, 8, 16), 16, 3, "vq", 2, ResidualNetwork(8, 4, 0)).eval()
    codes = torch.zeros(1, 16, dtype=torch.int64)
    codes[0, 8 + 4 + 1] = 5  # second level, second row, second column
    assert model.on_grids(codes)[1][0, 1, 1] == 5
    none, one = model.decode(0 * codes).mean[0, 0], model.decode(codes).mean[0, 0]
    moved = (one - none).abs() > 1e-9
    assert moved[4:, 4:8].any()
    assert not moved[:1].any()
    assert not moved[:, 11:].any()


def test_two_levels_are_a_chain_of_a_coarse_and_a_fine_grid(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = TwoLevelVAE(SHAPE, 4, 3, network=NETWORK).double(), some().double()
    shaken(model)
    (-model.objective(x).mean()).backward()
    for name, parameter in model.named_parameters():
        if not name.startswith("prior"):
            assert parameter.grad is not None, name
            assert bool(parameter.grad.any()), name
    model.eval()
    h = model.encoder(x).unflatten(-1, (4, 3))
    e1, e2 = (quantiser.codebook for quantiser in model.quantisers)
    top = torch.cdist(model.coarser(h.mT.unflatten(-1, (2, 2)))[:, None], e1[None]).argmin(-1)
    above = model.finer(e1[top].flatten(1)).flatten(2).mT
    bottom = torch.cdist(model.joined(torch.cat([h, above], -1)), e2[None]).argmin(-1)
    codes = torch.cat([top, bottom], -1)
    assert torch.equal(model.encode(x), codes)
    log_p_x = model.likelihood(model.decoder(torch.cat([e2[bottom], above], -1).flatten(1)))
    expected = log_p_x.log_prob(x) + model.prior.log_prob_of_codes(codes)
    torch.testing.assert_close(model.elbo(x), expected)
    assert (model.exact_log_likelihood(x) > expected).all()  # of 1,024 codes
    assert [part.shape for part in model.on_grids(codes)] == [(5, 1, 1), (5, 2, 2)]
    model.float().save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert torch.equal(again.encode(x.float()), model.encode(x.float()))
    assert again.sample(3).shape == (3, *SHAPE)


def test_what_does_not_fit_is_refused() -> None:
    model = small().eval()
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 4\), got 9"):
        model.decode(torch.full((1, 4), 9))
    with pytest.raises(ValueError, match="`codes` must end in 4 numbers"):
        model.decode(torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="`network` must have a grid"):
        TwoLevelVAE((784,), network="mlp")
    with pytest.raises(ValueError, match="sides of at least 16"):
        QuantisedVAE(SHAPE, network=ResidualNetwork(8, 16))
    with pytest.raises(ValueError, match="`num_codes` must be a power of 2 for lfq, got 12"):
        QuantisedVAE(SHAPE, 12, quantiser="lfq")
    with pytest.raises(ValueError, match=r"`prior` must be over grids .* got autoregressive"):
        small(levels=2, prior="autoregressive")
    with pytest.raises(ValueError, match=r"`prior` must fit D × K = 4 × 4, got 3 × 4"):
        small(prior=AutoregressivePrior(3, 4))
    with pytest.raises(ValueError, match="`num_quantisers` must be at least 1"):
        small(levels=0)
    with pytest.raises(ValueError, match="`groups` must be at least 1, got 0"):
        small(groups=0)
    with pytest.raises(ValueError, match="`groups` must divide E = 64, got 3"):
        QuantisedVAE(SHAPE, groups=3)
    assert QuantisedVAE(SHAPE, 64, quantiser="lfq", groups=3).dim == 18  # which follows from K


@pytest.mark.parametrize("quantiser", ["vq", "diveq"])
def test_a_run_that_is_resumed_ends_with_the_same_weights(quantiser: str, tmp_path: Path) -> None:
    data = load("digits", binarize="fresh", limit=60)
    prior = {"kind": "pixelcnn", "grids": [[2, 2]], "width": 4, "layers": 1}
    ways = {"whole": [2], "parts": [1, 2]}
    for name, stops in ways.items():
        model = small(quantiser, prior=prior)
        for i, stop in enumerate(stops):
            torch.manual_seed(stop)
            options = TrainingOptions(
                epochs=stop, decay="constant", patience=0, measured_every=1, batch_size=20,
                accelerator="cpu", progress_bar=False,
            )  # fmt: skip
            if i:
                model = small(quantiser, prior=prior)
            train(model, data, options, tmp_path / name, resume=bool(i))
        model.save_pretrained(tmp_path / f"{name}-model")
    whole, parts = (from_pretrained(tmp_path / f"{name}-model").state_dict() for name in ways)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(("levels", "groups"), STACKS[:3])
def test_a_file_without_loss_is_as_long_as_the_bound_says(levels: int, groups: int) -> None:
    model = shaken(small(levels=levels, groups=groups), 0.1).eval()
    x = some(400)
    bits_back = BitsBack(model, lanes=50)
    bits = x.numpy().astype(np.uint8)
    words = bits_back.compress(bits)
    assert np.array_equal(bits_back.decompress(words, len(bits)), bits)
    bound = -float(model.double().elbo(x.double()).detach().sum()) / math.log(2)
    assert bound < 32 * len(words) < 1.01 * bound + 600  # a checksum and what begins a stack


def test_drawn_codes_share_one_codebook(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DiscreteVAE(SHAPE, 4, 6, network=NETWORK, codebook_size=3, estimator="reinmax").eval()
    x = some()
    (-model.objective(x).mean()).backward()
    assert model.codebook is not None
    vectors = model.encoder(x).unflatten(-1, (4, 3))
    e, sigma = model.codebook.codebook, model.codebook.log_scale.exp()
    logits = -torch.cdist(vectors, e.expand(5, -1, -1)).square() / (2 * sigma**2)
    torch.testing.assert_close(model.logits(x).softmax(-1), logits.softmax(-1))
    codes = model.encode(x)
    seen = model.likelihood(model.decoder(e[codes].flatten(-2)))
    torch.testing.assert_close(model.decode(codes).log_prob(x), seen.log_prob(x))
    assert (model.elbo(x, 200) <= model.exact_log_likelihood(x)).all()
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(from_pretrained(tmp_path).logits(x), model.logits(x))
    with pytest.raises(ValueError, match="`embedding_size` must be left out"):
        DiscreteVAE(SHAPE, 4, 6, network=NETWORK, codebook_size=3, embedding_size=2)


def test_a_network_without_a_grid_gives_an_id(tmp_path: Path) -> None:
    """Rows that are near share the first digits; what is saved says the same."""
    torch.manual_seed(0)
    x = torch.randn(12, 6).repeat_interleave(20, 0) + 0.01 * torch.randn(240, 6)
    model = QuantisedVAE((6,), 4, 3, "vq", 3, "mlp", "gaussian")
    assert model.grids == [(1, 1)] * 3
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        (-model.objective(x)).mean().backward()
        optimizer.step()
    codes = model.eval().encode(x)
    assert codes.shape == (240, 3)
    same = (codes == codes.view(12, 20, 3)[:, :1].expand(-1, 20, -1).reshape(240, 3)).all(1)
    assert same.double().mean() > 0.8
    assert len(codes.unique(dim=0)) >= 8
    torch.testing.assert_close(model.decode(codes).mean, model.reconstruct(x))
    model.save_pretrained(tmp_path / "model")
    assert torch.equal(from_pretrained(tmp_path / "model").encode(x), codes)
