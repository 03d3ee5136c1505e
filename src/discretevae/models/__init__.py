"""Variational autoencoders behind one interface."""

from discretevae.models.base import VAE
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.gaussian import GaussianVAE
from discretevae.models.hierarchical import HierarchicalVAE
from discretevae.models.joint import JointVAE
from discretevae.models.pretrained import ModelError, from_pretrained
from discretevae.models.semi_supervised import SemiSupervisedVAE

__all__ = [
    "VAE",
    "DiscreteVAE",
    "GaussianVAE",
    "HierarchicalVAE",
    "JointVAE",
    "ModelError",
    "SemiSupervisedVAE",
    "from_pretrained",
]
