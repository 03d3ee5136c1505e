import pytest
import torch
from torch import nn

from discretevae.networks import CNN, NETWORKS


def layers(network: nn.Module) -> list[str]:
    return [str(module) for module in network.modules() if not list(module.children())]


def test_the_report_network_has_the_published_layers() -> None:
    network = NETWORKS["report-cnn"]
    assert layers(network.encoder((1, 28, 28), 20 * 10)) == [
        "Conv2d(1, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))",
        "ReLU()",
        "Conv2d(16, 32, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))",
        "ReLU()",
        "Linear(in_features=1568, out_features=200, bias=True)",
    ]
    assert layers(network.decoder(20 * 10, (1, 28, 28))) == [
        "Linear(in_features=200, out_features=1568, bias=True)",
        "ReLU()",
        "ConvTranspose2d(32, 16, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))",
        "ReLU()",
        "ConvTranspose2d(16, 1, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))",
    ]


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (1, 1, 1), (3, 5, 7), (3, 33, 16), (17, 8, 8), (1, 2, 40)]
)
@pytest.mark.parametrize("channels", [(), (4,), (2, 3, 4)])
@pytest.mark.parametrize("batch", [(), (2,), (3, 2), (2, 3, 2), (0,)])
def test_images_of_any_size_keep_their_shape(
    shape: tuple[int, int, int], channels: tuple[int, ...], batch: tuple[int, ...]
) -> None:
    network = CNN(channels)
    encoder, decoder = network.encoder(shape, 6), network.decoder(6, shape)
    features = encoder(torch.randn(*batch, *shape))
    assert features.shape == (*batch, 6)
    assert decoder(features).shape == (*batch, *shape)


def test_every_example_is_processed_by_itself() -> None:
    network = CNN((4, 5))
    encoder = network.encoder((2, 9, 7), 6).double()
    decoder = network.decoder(6, (2, 9, 7)).double()
    x = torch.randn(3, 2, 2, 9, 7, dtype=torch.float64)
    features = encoder(x)
    torch.testing.assert_close(features[2, 1], encoder(x[2, 1]))
    torch.testing.assert_close(decoder(features)[2, 1], decoder(features[2, 1]))


def test_every_pixel_and_parameter_is_used() -> None:
    network = CNN((4, 5))
    encoder, decoder = network.encoder((2, 9, 7), 6), network.decoder(6, (2, 9, 7))
    x = torch.randn(20, 2, 9, 7, requires_grad=True)
    decoder(encoder(x)).square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 1, 28, 28)])
def test_data_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    for build in (lambda: CNN().encoder(shape, 6), lambda: CNN().decoder(6, shape)):
        with pytest.raises(ValueError, match=r"`shape` must be \(C, H, W\)"):
            build()


def test_a_layer_without_filters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`channels` must be positive, got \[4, 0\]"):
        CNN((4, 0))
