import pytest
import torch
from torch import Tensor, nn

from discretevae.networks import network_from_config
from discretevae.networks.text import READERS, TextNetwork, TransformerBlock

V, T = 9, 7


def reader(name: str, length: int = T, layers: int = 2, features: int = 4) -> nn.Module:
    torch.manual_seed(1)
    network = TextNetwork(V, name, width=8, layers=layers)
    return network.encoder((length,), features).double()


def sentences(*batch: int, length: int = T) -> Tensor:
    x = torch.randint(2, V, (*batch, length)).double()
    ends = torch.randint(0, length, (*batch, 1))
    place = torch.arange(length)
    return x.masked_fill(place == ends, 1.0).masked_fill(place > ends, 0.0)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("batch", [(), (5,), (2, 3), (0,)])
def test_any_leading_dimensions(name: str, batch: tuple[int, ...]) -> None:
    x = sentences(*batch)
    found = reader(name)(x)
    assert found.shape == (*batch, 4)
    if len(batch) == 2:
        torch.testing.assert_close(found.flatten(0, 1), reader(name)(x.flatten(0, 1)))


@pytest.mark.parametrize("name", READERS)
def test_what_follows_the_end_is_not_read(name: str) -> None:
    network, x = reader(name), sentences(20)
    after = (x == 1).cumsum(-1) - (x == 1).long() > 0
    scribbled = x.where(~after, torch.randint_like(x, -1, 2 * V))
    assert not torch.equal(scribbled, x)
    torch.testing.assert_close(network(scribbled), network(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", READERS)
def test_the_amount_of_padding_makes_no_difference(name: str) -> None:
    """Alone, beside longer sentences, and in wider rows."""
    network, x = reader(name, length=12), sentences(6)
    wide = torch.cat([x, torch.zeros(6, 5).double()], -1)
    longest = torch.cat([torch.full((1, 11), 3.0), torch.ones(1, 1)], -1).double()
    found = network(x)
    torch.testing.assert_close(network(wide), found)
    torch.testing.assert_close(network(torch.cat([wide, longest]))[:-1], found)
    torch.testing.assert_close(torch.stack([network(row) for row in x]), found)


@pytest.mark.parametrize("name", READERS)
def test_every_token_and_its_place_is_read(name: str) -> None:
    network = reader(name)
    x = torch.tensor([3.0, 4, 5, 6, 7, 1, 0]).double()
    first = network(x)
    for place in range(5):
        other = x.clone()
        other[place] = 8
        assert (network(other) - first).abs().max() > 1e-6
    swapped = x[[1, 0, 2, 3, 4, 5, 6]]
    assert (network(swapped) - first).abs().max() > 1e-6


def test_the_gru_reads_from_both_ends() -> None:
    """One layer, by hand: torch's cell, step by step, forwards and backwards."""
    network, x = reader("gru", layers=1), torch.tensor([3.0, 4, 5, 1, 0, 0, 0]).double()
    gru, embedded = network.gru, network.embed(x[:4].long())

    def states(suffix: str, order: list[int]) -> Tensor:
        cell = nn.GRUCell(8, 8).double()
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(cell, name, nn.Parameter(getattr(gru, f"{name}_l0{suffix}").detach()))
        state, found = torch.zeros(8).double(), [torch.zeros(8).double()] * 4
        for t in order:
            found[t] = state = cell(embedded[t], state)
        return torch.stack(found)

    forwards, backwards = states("", [0, 1, 2, 3]), states("_reverse", [3, 2, 1, 0])
    mean = torch.cat([forwards, backwards], -1).mean(0)
    expected = network.head(torch.cat([forwards[3], backwards[0], mean]))
    torch.testing.assert_close(network(x), expected)


def test_a_block_is_attention_and_a_perceptron() -> None:
    """By hand, one head at a time."""
    block, x = TransformerBlock(8).double(), torch.randn(2, 5, 8, dtype=torch.float64)
    seen = torch.ones(1, 1, 5, 5).tril().bool()
    found, _ = block(x, seen)
    q, k, v = block.project(block.attend_norm(x)).chunk(3, -1)
    heads = []
    for part in range(4):
        at = slice(2 * part, 2 * part + 2)
        scores = (q[..., at] @ k[..., at].mT) / 2**0.5
        scores = scores.masked_fill(~seen[0], -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., at])
    middle = x + block.join(torch.cat(heads, -1))
    expected = middle + block.think(block.think_norm(middle))
    torch.testing.assert_close(found, expected)


def test_a_block_goes_on_from_the_past() -> None:
    block, x = TransformerBlock(6).double(), torch.randn(2, 5, 6, dtype=torch.float64)
    seen = torch.ones(1, 1, 5, 5).tril().bool()
    whole, _ = block(x, seen)
    first, past = block(x[:, :2], seen[..., :2, :2])
    rest, _ = block(x[:, 2:], seen[..., 2:, :], past)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_the_decoder_is_a_perceptron(batch: tuple[int, ...]) -> None:
    decoder = TextNetwork(V, widths=(5, 6)).decoder(3, (10,))
    assert [m.out_features for m in decoder if isinstance(m, nn.Linear)] == [6, 5, 10]
    assert decoder(torch.zeros(*batch, 3)).shape == (*batch, 10)


def test_a_configuration_gives_the_network_back() -> None:
    network = TextNetwork(V, "transformer", width=32, layers=3, widths=(7,))
    config = network.config()
    assert config == {
        "kind": "text",
        "vocabulary_size": V,
        "reader": "transformer",
        "width": 32,
        "layers": 3,
        "widths": [7],
    }
    assert network_from_config(config) == network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 3}, "`vocabulary_size` must be above 3, .* got 3"),
        ({"reader": "gur"}, r"`reader` must be one of gru, transformer, got 'gur'"),
        ({"width": 0}, "`width` must be at least 1, got 0"),
        ({"layers": 0}, "`layers` must be at least 1, got 0"),
        ({"widths": (0,)}, "`widths` must be positive"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextNetwork(**({"vocabulary_size": V} | options))


def test_images_are_no_text() -> None:
    with pytest.raises(ValueError, match=r"`shape` must be \(T,\) .* got \(1, 28, 28\)"):
        TextNetwork(V).encoder((1, 28, 28), 4)
