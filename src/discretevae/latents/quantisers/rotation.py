"""The rotation trick: a quantised vector with the gradient of a rotation to it."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.latents.gradients import with_gradient_of

__all__ = ["rotated"]

SMALLEST = 1e-6
"""Norm of a vector that is divided by, at least."""


def rotated(q: Float[Tensor, "*B E"], z: Float[Tensor, "*B E"]) -> Float[Tensor, "*B E"]:
    r"""Gives q with the gradient of the rotation and scaling that take z to it, held constant.

    .. math:: q = \lambda R z, \qquad \nabla_z = \lambda R^\top \nabla_q, \qquad
        R = I - 2 w w^\top + 2 \hat q \hat z^\top, \quad
        w = \frac{\hat z + \hat q}{\lVert \hat z + \hat q \rVert}, \quad
        \lambda = \frac{\lVert q \rVert}{\lVert z \rVert}

    The angle between the gradient and the vector is kept; its length is scaled by λ, so a codebook
    far smaller than the vectors hides them from the loss. **Biased**, as every gradient of a
    code that is a step function of z.

    Reference: Fifty et al., Restructuring vector quantization with the rotation trick, 2024, §4.

    Example:
        >>> import torch
        >>> z = torch.tensor([3.0, 0.0], requires_grad=True)
        >>> q = rotated(torch.tensor([0.0, 6.0]), z)
        >>> q.backward(torch.tensor([0.0, 1.0]))  # along q
        >>> q.tolist(), z.grad.round(decimals=4).tolist()  # along z, twice as long
        ([0.0, 6.0], [2.0, 0.0])
    """
    z_hat, q_hat = normalize(z.detach(), dim=-1), normalize(q.detach(), dim=-1)
    w = normalize(z_hat + q_hat, dim=-1)
    norm = z.detach().norm(dim=-1, keepdim=True).clamp_min(SMALLEST)
    scale = q.detach().norm(dim=-1, keepdim=True) / norm
    rotated_z = z - 2 * w * _dot(w, z) + 2 * q_hat * _dot(z_hat, z)
    return with_gradient_of(q, scale * rotated_z)


def _dot(a: Float[Tensor, "*B E"], b: Float[Tensor, "*B E"]) -> Float[Tensor, "*B 1"]:
    return (a * b).sum(-1, keepdim=True)
