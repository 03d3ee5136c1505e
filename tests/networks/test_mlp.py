import math

import pytest
import torch
from torch import nn

from discretevae.networks import MLP, NETWORKS, network_from_config


def layers(network: nn.Module) -> list[tuple[int, int] | str]:
    """Linear layers as (in, out), other modules by name; reshaping left out."""
    return [
        (m.in_features, m.out_features) if isinstance(m, nn.Linear) else type(m).__name__
        for m in network.modules()
        if not list(m.children()) and type(m).__name__ not in ("Flatten", "Unflatten")
    ]


@pytest.mark.parametrize(("name", "widths"), [("tutorial", (512, 256)), ("report-mlp", (256, 128))])
@pytest.mark.parametrize("shape", [(784,), (1, 28, 28)])
def test_the_presets_have_the_published_layers(
    name: str, widths: tuple[int, int], shape: tuple[int, ...]
) -> None:
    outer, inner = widths
    network = NETWORKS[name]
    assert layers(network.encoder(shape, 4 * 8)) == [
        (784, outer),
        "ReLU",
        (outer, inner),
        "ReLU",
        (inner, 32),
    ]
    assert layers(network.decoder(4 * 8, shape)) == [
        (32, inner),
        "ReLU",
        (inner, outer),
        "ReLU",
        (outer, 784),
    ]


@pytest.mark.parametrize("widths", [(), (7,), (7, 5, 3, 2)])
@pytest.mark.parametrize("shape", [(1,), (6,), (2, 3), (3, 4, 5)])
@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)])
def test_any_widths_and_shapes(
    widths: tuple[int, ...], shape: tuple[int, ...], batch: tuple[int, ...]
) -> None:
    network = MLP(widths)
    encoder, decoder = network.encoder(shape, 6), network.decoder(6, shape)
    assert layers(encoder)[::2] == [*zip((math.prod(shape), *widths), (*widths, 6), strict=True)]
    features = encoder(torch.randn(*batch, *shape))
    assert features.shape == (*batch, 6)
    assert decoder(features).shape == (*batch, *shape)


def test_the_network_computes_matrix_products_with_relu_between() -> None:
    encoder = MLP((5,)).encoder((2, 3), 4).double()
    first, second = (m for m in encoder if isinstance(m, nn.Linear))
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    hidden = (x.reshape(7, 6) @ first.weight.T + first.bias).clamp_min(0)
    torch.testing.assert_close(encoder(x), hidden @ second.weight.T + second.bias)


@pytest.mark.parametrize("widths", [(0,), (5, -1)])
def test_a_layer_without_units_is_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="`widths` must be positive, got"):
        MLP(widths)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_configuration_gives_the_network_back(name: str) -> None:
    assert network_from_config(NETWORKS[name].config()) == NETWORKS[name]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "`network.kind` must be one of .* got None"),
        ({"kind": "transformer"}, "`network.kind` must be one of .* got 'transformer'"),
        ({"kind": "mlp", "channels": [3]}, "`network` does not fit a mlp"),
    ],
)
def test_a_configuration_of_no_network_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network_from_config(config)


def test_the_activation_stands_between_all_layers() -> None:
    """The leaky one, by hand: x where it is positive, a fifth of it elsewhere."""
    torch.manual_seed(0)
    encoder = MLP((7, 5), "leaky-relu").encoder((3,), 2)
    x = torch.randn(4, 3)
    *hidden, last = (layer for layer in encoder if isinstance(layer, nn.Linear))
    h = x
    for layer in hidden:
        h = layer(h)
        h = torch.where(h > 0, h, h / 5)
    torch.testing.assert_close(encoder(x), last(h))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got 'rlu' \(did you mean 'relu'\?\)"):
        MLP((7,), "rlu")


def test_the_activation_is_saved() -> None:
    assert network_from_config(MLP((7,), "leaky-relu").config()) == MLP((7,), "leaky-relu")
    assert network_from_config({"kind": "mlp", "widths": [7]}) == MLP((7,), "relu")
