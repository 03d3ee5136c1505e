"""What makes a model the same model: codes of one mean nothing to another."""

import hashlib
import json

import torch

from discretevae.models import VAE

__all__ = ["model_identity"]


def model_identity(model: VAE) -> str:
    """Gives the SHA-256 of the architecture and the weights, in hexadecimal digits.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((3,), 2, 4)
        >>> before = model_identity(model)
        >>> with torch.no_grad():
        ...     _ = model.decoder[0].bias.add_(1)
        >>> len(before), model_identity(model) == before
        (64, False)
    """
    digest = hashlib.sha256(json.dumps(model.architecture(), sort_keys=True).encode())
    for name, value in sorted(model.weights().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
