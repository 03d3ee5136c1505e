"""The GRU of packed sentences against torch's own and against differences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from discretevae.networks.recurrent import Packing, gru_states, layer_states

LENGTHS = torch.tensor([7, 5, 5, 2, 1])
SEEN = torch.arange(7) < LENGTHS[:, None]
PACKING = Packing.of(SEEN)
W, ROWS = 3, 6


def given() -> tuple[Tensor, Tensor, list[Tensor]]:
    torch.manual_seed(0)
    sizes = [(ROWS, 3 * W), (3 * W, W), (3 * W,), (5, W), (5, 3 * W)]
    tokens = torch.randint(0, ROWS, SEEN.shape)
    reals = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    return tokens, PACKING.pack(tokens), reals


def test_what_stands_where() -> None:
    place = torch.arange(35).view(5, 7)
    assert PACKING.pack(place).tolist() == place.T[SEEN.T].tolist()
    packed = PACKING.pack(place)
    assert packed[PACKING.last].tolist() == (place[:, 0] + LENGTHS - 1).tolist()
    turned = packed[PACKING.reverse]
    assert turned[:5].tolist() == packed[PACKING.last].tolist()
    assert turned[PACKING.reverse].tolist() == packed.tolist()


def test_the_gradient_is_that_of_differences_and_so_is_its_own() -> None:
    _, index, reals = given()

    def states(*reals: Tensor) -> Tensor:
        table, weight, bias, start, about = reals
        return gru_states(table, index, weight, bias, start, about, PACKING.sizes)

    assert torch.autograd.gradcheck(states, reals)
    assert torch.autograd.gradgradcheck(states, reals)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_and_gradients_are_those_of_torch(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    gru = nn.GRU(4, W, batch_first=True, dtype=dtype)
    tokens, index, _ = given()
    vectors = torch.randn(ROWS, 4, dtype=dtype, requires_grad=True)
    start = torch.randn(5, W, dtype=dtype, requires_grad=True)
    packed = pack_padded_sequence(vectors[tokens], LENGTHS, batch_first=True)
    states, _ = pad_packed_sequence(gru(packed, start[None])[0], batch_first=True)
    wanted = states.transpose(0, 1)[SEEN.T]
    found = layer_states(gru, "l0", vectors, index, PACKING.sizes, start)
    torch.testing.assert_close(found, wanted)
    weights = torch.randn_like(wanted)
    inputs = [vectors, start, *gru.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((wanted * weights).sum(), inputs),
    )


def test_what_keeps_nothing_gives_the_same_states() -> None:
    _, index, (table, weight, bias, start, about) = given()
    kept = gru_states(table, index, weight, bias, start, about, PACKING.sizes)
    with torch.no_grad():
        found = gru_states(table, index, weight, bias, start, about, PACKING.sizes)
    assert torch.equal(found, kept)
