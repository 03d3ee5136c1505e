import pytest
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


def test_a_layer_without_filters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`channels` must be positive, got \[4, 0\]"):
        CNN((4, 0))
