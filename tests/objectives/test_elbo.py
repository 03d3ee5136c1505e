import torch

from discretevae.objectives import ELBO, beta_elbo


def test_the_elbo_is_the_difference_of_its_terms() -> None:
    terms = ELBO(torch.tensor([-90.0, -80.0]), torch.tensor([5.0, 6.0]))
    assert terms.elbo.tolist() == [-95.0, -86.0]


def test_beta_weighs_the_kl_in_value_and_gradient() -> None:
    reconstruction = torch.tensor([-90.0, -80.0], requires_grad=True)
    kl = torch.tensor([5.0, 6.0], requires_grad=True)
    value = beta_elbo(reconstruction, kl, beta=0.5)
    assert value.tolist() == [-92.5, -83.0]
    value.sum().backward()
    assert reconstruction.grad.tolist() == [1, 1]
    assert kl.grad.tolist() == [-0.5, -0.5]
