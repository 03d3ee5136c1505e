import math

import pytest
import torch

from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import ResidualNetwork, network_from_config


@pytest.mark.parametrize("down", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 30), (2, 16, 16)])
def test_any_size_becomes_a_grid_and_comes_back(shape: tuple[int, ...], down: int) -> None:
    network = ResidualNetwork(8, down, 1)
    rows, columns = network.grid(shape)
    assert (rows, columns) == (math.ceil(shape[1] / down), math.ceil(shape[2] / down))
    features = network.encoder(shape, rows * columns * 3)(torch.randn(2, 5, *shape))
    assert features.shape == (2, 5, rows * columns * 3)
    out = (4, *shape[1:])
    assert network.decoder(rows * columns * 3, out)(features).shape == (2, 5, *out)


def test_positions_stand_row_by_row() -> None:
    """What changes in one corner of the image changes the vectors of that corner, and back."""
    torch.manual_seed(0)
    network = ResidualNetwork(8, 4, 0)
    encoder, decoder = network.encoder((1, 24, 24), 36 * 2), network.decoder(36 * 2, (1, 24, 24))
    x = torch.randn(1, 1, 24, 24)
    other = x.clone()
    other[..., -1, 0] += 5  # the last row, the first column
    assert isinstance(encoder.body[-3], torch.nn.GroupNorm)
    encoder.body[-3] = torch.nn.Identity()  # which alone sees the whole image
    moved = (encoder(other) - encoder(x)).view(6, 6, 2).abs().sum(-1) > 0
    assert moved[5, 0]
    assert not moved[:4].any()
    assert not moved[:, 2:].any()
    z = torch.randn(1, 6, 6, 2)
    changed = z.clone()
    changed[0, 5, 0] += 5
    drawn = (decoder(changed.flatten(1)) - decoder(z.flatten(1)))[0, 0].abs() > 0
    assert drawn[20:, :4].any()
    assert not drawn[:12].any()
    assert not drawn[:, 12:].any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`down` must be one of \(1, 2, 4, 8, 16\), got 3"):
        ResidualNetwork(down=3)
    with pytest.raises(ValueError, match="sides of at least 16, as `down` says, got"):
        ResidualNetwork(down=16).grid((3, 15, 40))
    with pytest.raises(ValueError, match="multiple of the 7 × 7 positions"):
        DiscreteVAE((1, 28, 28), 48, 8, network=ResidualNetwork(8))
    with pytest.raises(ValueError, match="must be \\(C, H, W\\)"):
        ResidualNetwork().grid((784,))


def test_a_grid_of_categorical_latents_is_a_model_like_any_other(tmp_path: object) -> None:
    torch.manual_seed(0)
    model = DiscreteVAE((1, 8, 8), 4, 5, network=ResidualNetwork(8), estimator="reinmax").eval()
    x = torch.bernoulli(torch.full((3, 1, 8, 8), 0.3))
    (-model.objective(x)).mean().backward()
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path).eval()
    assert torch.equal(again.logits(x), model.logits(x))
    assert (model.log_likelihood(x) >= model.elbo(x, 500) - 0.1).all()


@pytest.mark.parametrize("down", [1, 4, 8])
def test_a_linear_map_of_each_patch_stands_beside(down: int) -> None:
    with_it, without = ResidualNetwork(8, down, 1), ResidualNetwork(8, down, 1, linear=False)
    shape, (rows, columns) = (3, 10, 13), with_it.grid((3, 10, 13))
    ours, theirs = (n.encoder(shape, rows * columns * 5).eval() for n in (with_it, without))
    theirs.load_state_dict(ours.state_dict(), strict=False)
    x = torch.rand(2, *shape)
    filled = torch.zeros(2, 3, rows * down, columns * down)
    for i in range(rows * down):
        for j in range(columns * down):
            filled[:, :, i, j] = x[:, :, min(i, 9), min(j, 12)]
    patches = filled.unfold(2, down, down).unfold(3, down, down)
    said = torch.einsum("nchwab,ecab->nhwe", patches, ours.linear.weight).flatten(1)
    torch.testing.assert_close(ours(x), theirs(x) + said)
    ours, theirs = (n.decoder(rows * columns * 5, shape).eval() for n in (with_it, without))
    theirs.load_state_dict(ours.state_dict(), strict=False)
    z = torch.randn(2, rows * columns * 5)
    vectors = z.view(2, rows, columns, 5)
    said = torch.einsum("nhwe,ecab->nchawb", vectors, ours.linear.weight)
    said = said.reshape(2, 3, rows * down, columns * down)[..., :10, :13]
    torch.testing.assert_close(ours(z), theirs(z) + said)


def test_what_was_saved_before_has_no_linear_map() -> None:
    described = ResidualNetwork(8).config()
    assert network_from_config(described) == ResidualNetwork(8)
    del described["linear"]
    assert network_from_config(described) == ResidualNetwork(8, linear=False)
