"""What makes a model the same model: codes of one mean nothing to another."""

import hashlib
import json

import torch

from discretevae.models import VAE
from discretevae.priors import Prior

__all__ = ["model_identity"]


def model_identity(model: VAE) -> str:
    """Gives the SHA-256 of the architecture and the weights, in hexadecimal digits.

    What trains a model, and what is estimated from its weights, is no part of it.

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
    estimated = {
        f"{path}.{name}"
        for path, module in model.named_modules()
        if isinstance(module, Prior)
        for name in module.estimates
    }
    for name, value in sorted(model.weights().items()):
        if name in estimated:
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
