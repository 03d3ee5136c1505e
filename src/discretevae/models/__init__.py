"""Variational autoencoders behind one interface."""

from discretevae.models.base import VAE
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.gaussian import GaussianVAE
from discretevae.models.pretrained import ModelError, from_pretrained

__all__ = ["VAE", "DiscreteVAE", "GaussianVAE", "ModelError", "from_pretrained"]
