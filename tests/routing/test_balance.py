"""How even the use of experts is."""

import torch

from discretevae.routing import MixtureOfExperts, MLPExperts, balance_loss, effective_experts, load


def test_shares_and_their_number() -> None:
    experts = torch.tensor([[0, 1], [0, 2], [0, 1]])
    torch.testing.assert_close(load(experts, 4), torch.tensor([3, 2, 1, 0]) / 6)
    assert load(torch.zeros(0, 1, dtype=torch.int64), 3).tolist() == [0, 0, 0]
    for used in (1, 2, 5):
        share = torch.zeros(5)
        share[:used] = 1 / used
        torch.testing.assert_close(effective_experts(share), torch.tensor(float(used)))


def test_the_loss_is_between_one_and_n() -> None:
    even = torch.full((4, 4), 0.25)
    torch.testing.assert_close(balance_loss(even, torch.arange(4)[:, None]), torch.tensor(1.0))
    one = torch.eye(4)[[0, 0, 0, 0]]
    assert balance_loss(one, torch.zeros(4, 1, dtype=torch.int64)) == 4


def test_its_gradient_is_that_of_the_probabilities_alone() -> None:
    """∂/∂p_ti = N f_i / T."""
    p = torch.full((4, 4), 0.25, requires_grad=True)
    balance_loss(p, torch.tensor([[0], [0], [1], [0]])).backward()
    torch.testing.assert_close(p.grad, torch.tensor([0.75, 0.25, 0, 0]).expand(4, 4))


def test_the_cost_spreads_the_tokens() -> None:
    """Trained on it alone, a gate that sent nearly all to one expert ends near its least."""
    torch.manual_seed(0)
    mixture = MixtureOfExperts(MLPExperts(4, 3, 5, 2), "switch", balance=0.5)
    with torch.no_grad():
        mixture.gate.bias.copy_(torch.tensor([2.0, 0, 0, 0]))
    x = torch.randn(200, 3)
    before = effective_experts(load(mixture.eval()(x).experts, 4))
    adam = torch.optim.Adam(mixture.parameters(), 0.03)
    mixture.train()
    for _ in range(150):
        adam.zero_grad()
        cost = mixture(x).cost
        cost.backward()
        adam.step()
    after = effective_experts(load(mixture.eval()(x).experts, 4))
    assert before < 1.5
    assert after > 3
    assert cost < 0.56


def test_nobody_adds_it() -> None:
    """Values are what they are without; a weight of 0 costs nothing."""
    torch.manual_seed(0)
    mixture = MixtureOfExperts(MLPExperts(4, 3, 5, 2), "switch", balance=0.5)
    x = torch.randn(20, 3)
    y = mixture(x, torch.Generator().manual_seed(0))
    mixture.balance = 0.0
    other = mixture(x, torch.Generator().manual_seed(0))
    assert torch.equal(y.values, other.values)
    assert y.cost > 0
    assert other.cost == 0
