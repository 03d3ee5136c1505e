"""Variational autoencoders behind one interface."""

from discretevae.models.blockwise import BlockwiseVAE
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.gaussian import GaussianVAE
from discretevae.models.hierarchical import HierarchicalVAE
from discretevae.models.joint import JointVAE
from discretevae.models.pretrained import ModelError, from_pretrained
from discretevae.models.quantised import QuantisedVAE
from discretevae.models.registration import register
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.models.two_level import TwoLevelVAE
from discretevae.models.vae import VAE

__all__ = [
    "VAE",
    "BlockwiseVAE",
    "DiscreteVAE",
    "GaussianVAE",
    "HierarchicalVAE",
    "JointVAE",
    "ModelError",
    "QuantisedVAE",
    "SemiSupervisedVAE",
    "TwoLevelVAE",
    "from_pretrained",
    "register",
]
