import torch
from torch.nn.functional import cosine_similarity

from discretevae.latents.quantisers.rotation import rotated


def jacobian(q: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(lambda z: rotated(q, z), z)


def test_it_is_a_rotation_scaled_that_takes_z_to_q() -> None:
    z, q = torch.randn(2, 5, dtype=torch.float64)
    matrix, scale = jacobian(q, z), q.norm() / z.norm()
    torch.testing.assert_close(matrix @ z, q)
    torch.testing.assert_close(matrix @ matrix.T, scale**2 * torch.eye(5).double())
    torch.testing.assert_close(torch.linalg.det(matrix / scale), torch.tensor(1.0).double())


def test_the_angle_between_gradient_and_vector_is_kept() -> None:
    z, q, g = torch.randn(3, 7, 5, dtype=torch.float64)
    z.requires_grad_()
    rotated(q, z).backward(g)
    torch.testing.assert_close(cosine_similarity(z.grad, z), cosine_similarity(g, q))


def test_the_value_is_q_to_the_bit_and_extremes_stay_finite() -> None:
    q = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
    z = torch.tensor([[0.0, 0.0], [-1.0, -2.0], [1.0, 0.0]], requires_grad=True)
    values = rotated(q, z)
    assert torch.equal(values, q)
    values.sum().backward()
    assert z.grad.isfinite().all()
