import torch
from vector_quantize_pytorch import SimVQ as Oracle

from discretevae.latents.quantisers import SimVQ


def test_values_codes_cost_and_gradients_are_the_oracle_s() -> None:
    ours, theirs = SimVQ(64, 6), Oracle(dim=6, codebook_size=64, rotation_trick=False)
    ours.load_state_dict(
        {"frozen": theirs.frozen_codebook, "transform.weight": theirs.code_transform.weight}
    )
    z = torch.randn(3, 40, 6, requires_grad=True)
    values, codes, cost = ours(z)
    quantised, indices, loss = theirs(z)
    torch.testing.assert_close(values, quantised)
    assert torch.equal(codes, indices)
    torch.testing.assert_close(cost.mean(), 6 * loss)  # theirs is a mean over E
    g = torch.randn_like(z)
    own = torch.autograd.grad((values * g).sum() + cost.sum(), [z, ours.transform.weight])
    of_theirs = (quantised * g).sum() + 3 * 40 * 6 * loss
    other = torch.autograd.grad(of_theirs, [z, theirs.code_transform.weight])
    for a, b in zip(own, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    assert own[1].abs().max() > 0.1


def test_codes_that_nothing_uses_move_too() -> None:
    ours, z = SimVQ(64, 6), torch.randn(1, 6)
    before = ours.codebook.detach()
    ours(z).cost.sum().backward()
    with torch.no_grad():
        ours.transform.weight -= 0.1 * ours.transform.weight.grad
    assert ((ours.codebook - before).norm(dim=-1) > 0).all()


def test_it_starts_at_the_first_batch_and_uses_all_where_vectors_are_of_few_directions() -> None:
    """Drawn in all 16 dimensions, as in the paper, few of 64 are near vectors of just two."""
    z = torch.randn(2000, 2) @ torch.randn(2, 16) + 3
    ours, random = SimVQ(64, 16), SimVQ(64, 16)
    ours(z)
    assert len(ours.eval().nearest(z).unique()) > 0.9 * 64
    assert len(random.eval().nearest(z).unique()) < 0.5 * 64


def test_a_row_that_is_revived_stands_at_a_vector_through_the_map() -> None:
    ours = SimVQ(8, 3)
    ours.start_from(torch.cat([torch.randn(7, 3), torch.full((1, 3), 1e3)]))
    with torch.no_grad():
        ours.transform.weight.copy_(torch.randn(3, 3) + 2 * torch.eye(3))
    z = torch.randn(100, 3)
    ours(z)
    distances = torch.cdist(ours.codebook.detach(), z).min(-1).values
    assert distances[7] < 1e-3


def test_a_map_without_an_inverse_leaves_rows_as_they_are() -> None:
    ours = SimVQ(8, 3)
    ours.start_from(torch.randn(8, 3))
    torch.nn.init.zeros_(ours.transform.weight)
    ours(torch.randn(100, 3))
    assert ours.frozen.isfinite().all()


def test_what_was_saved_before_it_could_start_loads_as_started() -> None:
    ours, loaded = SimVQ(8, 3), SimVQ(8, 3)
    state = {n: v for n, v in ours.state_dict().items() if n not in ("idle", "started")}
    loaded.load_state_dict(state)
    loaded(torch.randn(50, 3) + 9)
    torch.testing.assert_close(loaded.transform.weight, ours.transform.weight)
