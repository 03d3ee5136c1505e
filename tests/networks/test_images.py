"""What all networks for images must do."""

import pytest
import torch

from discretevae.networks import CNN, GroupNormCNN, Network


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (1, 1, 1), (3, 5, 7), (3, 33, 16), (17, 8, 8), (1, 2, 40)]
)
@pytest.mark.parametrize(
    "network", [CNN(()), CNN((4,)), CNN((2, 3, 4)), GroupNormCNN((2, 20, 4), 5)]
)
@pytest.mark.parametrize("batch", [(), (2,), (3, 2), (2, 3, 2), (0,)])
def test_images_of_any_size_keep_their_shape(
    network: Network, shape: tuple[int, int, int], batch: tuple[int, ...]
) -> None:
    encoder, decoder = network.encoder(shape, 6), network.decoder(6, shape)
    features = encoder(torch.randn(*batch, *shape))
    assert features.shape == (*batch, 6)
    assert decoder(features).shape == (*batch, *shape)


@pytest.mark.parametrize("network", [CNN((4, 5)), GroupNormCNN((4, 5), 6)])
def test_every_example_is_processed_by_itself(network: Network) -> None:
    encoder = network.encoder((2, 9, 7), 6).double()
    decoder = network.decoder(6, (2, 9, 7)).double()
    x = torch.randn(3, 2, 2, 9, 7, dtype=torch.float64)
    features = encoder(x)
    torch.testing.assert_close(features[2, 1], encoder(x[2, 1]))
    torch.testing.assert_close(decoder(features)[2, 1], decoder(features[2, 1]))


@pytest.mark.parametrize("network", [CNN((4, 5)), GroupNormCNN((4, 16, 5), 6)])
def test_every_pixel_and_parameter_is_used(network: Network) -> None:
    encoder, decoder = network.encoder((2, 9, 7), 6), network.decoder(6, (2, 9, 7))
    x = torch.randn(20, 2, 9, 7, requires_grad=True)
    decoder(encoder(x)).square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 1, 28, 28)])
@pytest.mark.parametrize("network", [CNN(), GroupNormCNN()])
def test_data_that_are_no_images_are_refused(network: Network, shape: tuple[int, ...]) -> None:
    for build in (lambda: network.encoder(shape, 6), lambda: network.decoder(6, shape)):
        with pytest.raises(ValueError, match=r"`shape` must be \(C, H, W\)"):
            build()
