"""Quantisers: what takes a vector to one of K."""

from discretevae.latents.quantisers.diveq import DiVeQ
from discretevae.latents.quantisers.finite_scalar import FiniteScalarQuantiser
from discretevae.latents.quantisers.grouped import GroupedQuantiser
from discretevae.latents.quantisers.lookup_free import (
    BinarySphericalQuantiser,
    LookupFreeQuantiser,
)
from discretevae.latents.quantisers.quantiser import Quantisation, Quantiser
from discretevae.latents.quantisers.residual import ResidualQuantiser
from discretevae.latents.quantisers.simvq import SimVQ
from discretevae.latents.quantisers.sizes import quantiser_for, size_of_group
from discretevae.latents.quantisers.stochastic import DistanceLogits
from discretevae.latents.quantisers.table import QUANTISERS, quantiser_from_config
from discretevae.latents.quantisers.vector import GRADIENTS, VectorQuantiser
from discretevae.latents.quantisers.whitening import Whitening

__all__ = [
    "GRADIENTS",
    "QUANTISERS",
    "BinarySphericalQuantiser",
    "DiVeQ",
    "DistanceLogits",
    "FiniteScalarQuantiser",
    "GroupedQuantiser",
    "LookupFreeQuantiser",
    "Quantisation",
    "Quantiser",
    "ResidualQuantiser",
    "SimVQ",
    "VectorQuantiser",
    "Whitening",
    "quantiser_for",
    "quantiser_from_config",
    "size_of_group",
]
