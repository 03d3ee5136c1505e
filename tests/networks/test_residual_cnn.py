from pathlib import Path

import pytest
import torch
from torch import nn

from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import NETWORKS, ResidualCNN
from discretevae.networks.residual import ResidualBlock


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 30), (2, 5, 1)])
@pytest.mark.parametrize("channels", [(8,), (4, 8), (4, 8, 16)])
def test_any_size_comes_back_with_every_size_between(
    shape: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    network = ResidualCNN(channels, blocks=1, hidden=8)
    down, up = network.encoder(shape, 10), network.decoder(10, shape)
    sizes: dict[str, list[tuple[int, ...]]] = {"down": [], "up": []}
    for name, part, kind in (("down", down, nn.Conv2d), ("up", up, nn.ConvTranspose2d)):
        for layer in part.body:
            if isinstance(layer, kind):
                layer.register_forward_hook(
                    lambda _, __, out, name=name: sizes[name].append(tuple(out.shape[2:]))
                )
    x = torch.randn(2, 3, *shape)
    assert up(down(x)).shape == x.shape
    assert sizes["up"] == [*reversed(sizes["down"][:-1]), shape[1:]]
    assert len(sizes["down"]) == len(channels)


def test_there_are_two_blocks_at_every_scale_of_the_named_one() -> None:
    network = NETWORKS["residual-image"]
    for part in (network.encoder((1, 28, 28), 640), network.decoder(640, (1, 28, 28))):
        blocks = [m for m in part.modules() if isinstance(m, ResidualBlock)]
        widths = [block.body[0].num_channels for block in blocks]
        assert sorted(widths) == [32, 32, 64, 64, 128, 128]


def test_what_an_example_becomes_does_not_depend_on_its_batch() -> None:
    encoder = ResidualCNN((8, 16), hidden=8).encoder((1, 12, 12), 5)
    x = torch.rand(4, 1, 12, 12)
    torch.testing.assert_close(encoder(x)[1], encoder(x[1:2])[0], rtol=0, atol=1e-5)


def test_a_model_of_it_is_saved_and_starts_where_the_data_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ResidualCNN((4, 8), 1, 8)
    model = DiscreteVAE((1, 9, 8), 3, 4, network, likelihood="gaussian")
    x = torch.rand(20, 1, 9, 8) + 5
    model.start_at(x)
    assert float(model.decoder.body[-1].bias.detach()) == pytest.approx(float(x.mean()), abs=1e-4)
    (-model.objective(x)).mean().backward()
    assert all(p.grad is not None for p in model.encoder.parameters())
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert again.network == network
    assert torch.equal(again.logits(x), model.logits(x))


@pytest.mark.parametrize(
    ("channels", "blocks", "hidden", "message"),
    [
        ((), 1, 4, "`channels` must be at least one, got none"),
        ((8, 0), 1, 4, r"`channels` must be positive, got \[8, 0\]"),
        ((8,), -1, 4, "`blocks` must be at least 0, got -1"),
        ((8,), 1, 0, r"`hidden` must be positive, got \[0\]"),
    ],
)
def test_sizes_out_of_range_are_refused(
    channels: tuple[int, ...], blocks: int, hidden: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ResidualCNN(channels, blocks, hidden)
