"""Quantisers: what takes a vector to one of K."""

from discretevae.latents.quantisers.finite_scalar import FiniteScalarQuantiser
from discretevae.latents.quantisers.quantiser import Quantisation, Quantiser
from discretevae.latents.quantisers.sizes import quantiser_for
from discretevae.latents.quantisers.table import QUANTISERS, quantiser_from_config
from discretevae.latents.quantisers.vector import VectorQuantiser

__all__ = [
    "QUANTISERS",
    "FiniteScalarQuantiser",
    "Quantisation",
    "Quantiser",
    "VectorQuantiser",
    "quantiser_for",
    "quantiser_from_config",
]
