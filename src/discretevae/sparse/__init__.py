"""Sparse autoencoders of activations."""

from discretevae.sparse.autoencoder import Active, Objective, SparseAutoencoder
from discretevae.sparse.batch_topk import BatchTopKAutoencoder
from discretevae.sparse.dead import DeadCount, Reason, why_dead
from discretevae.sparse.formats.reading import SparseFileError
from discretevae.sparse.formats.saelens import save_saelens
from discretevae.sparse.formats.sparsify import save_sparsify
from discretevae.sparse.gated import GatedAutoencoder
from discretevae.sparse.jumprelu import JumpReLUAutoencoder
from discretevae.sparse.loading import load, save
from discretevae.sparse.matryoshka import MatryoshkaAutoencoder
from discretevae.sparse.products import Support
from discretevae.sparse.relu import ReLUAutoencoder
from discretevae.sparse.scaling import scale_latent
from discretevae.sparse.table import SPARSE_KINDS, sparse_from_config
from discretevae.sparse.topk import TopKAutoencoder

__all__ = [
    "SPARSE_KINDS",
    "Active",
    "BatchTopKAutoencoder",
    "DeadCount",
    "GatedAutoencoder",
    "JumpReLUAutoencoder",
    "MatryoshkaAutoencoder",
    "Objective",
    "ReLUAutoencoder",
    "Reason",
    "SparseAutoencoder",
    "SparseFileError",
    "Support",
    "TopKAutoencoder",
    "load",
    "save",
    "save_saelens",
    "save_sparsify",
    "scale_latent",
    "sparse_from_config",
    "why_dead",
]
