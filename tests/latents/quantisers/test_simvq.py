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
