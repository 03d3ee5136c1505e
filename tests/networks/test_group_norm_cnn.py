import pytest
import torch
from torch import nn

from discretevae.networks import NETWORKS, GroupNormCNN


def layers(network: nn.Module) -> list[str]:
    return [type(module).__name__ for module in network.modules() if not list(module.children())]


def test_every_convolution_is_normalised_before_its_activation() -> None:
    network = NETWORKS["image"]
    convolution = ["Conv2d", "GroupNorm", "LeakyReLU"]
    hidden = ["Linear", "LayerNorm", "LeakyReLU", "Linear"]
    assert layers(network.encoder((1, 28, 28), 200)) == convolution * 3 + hidden
    upwards = ["GroupNorm", "LeakyReLU", "ConvTranspose2d"]
    assert layers(network.decoder(200, (1, 28, 28))) == hidden + upwards * 2


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 1), (16, 2), (20, 2), (17, 1)])
def test_some_eight_channels_are_normalised_together(channels: int, groups: int) -> None:
    encoder = GroupNormCNN((channels, 3)).encoder((1, 4, 4), 2)
    assert encoder.body[1].num_groups == groups


def test_a_change_of_contrast_behind_the_first_convolution_changes_nothing() -> None:
    """Normalisation makes the encoder blind to it, but for its ε: a plain CNN is not."""
    encoder = GroupNormCNN((8, 16)).encoder((1, 12, 12), 5)
    nn.init.zeros_(encoder.body[0].bias)
    x = torch.rand(3, 1, 12, 12)
    torch.testing.assert_close(encoder(x), encoder(2 * x), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("channels", "hidden", "message"),
    [
        ((8,), 4, r"`channels` must be at least two, got \[8\]"),
        ((8, 0), 4, r"`channels` must be positive, got \[8, 0\]"),
        ((8, 8), 0, r"`hidden` must be positive, got \[0\]"),
    ],
)
def test_sizes_out_of_range_are_refused(
    channels: tuple[int, ...], hidden: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GroupNormCNN(channels, hidden)
