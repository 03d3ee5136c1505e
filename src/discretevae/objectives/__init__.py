"""What is trained and what is reported, as functions of per-example terms in nats."""

from discretevae.objectives.balance import batch_mutual_information
from discretevae.objectives.contrastive import SIMILARITIES, Similarity, info_nce
from discretevae.objectives.elbo import ELBO, beta_elbo
from discretevae.objectives.free_bits import free_bits
from discretevae.objectives.importance import importance_weighted_bound

__all__ = [
    "ELBO",
    "SIMILARITIES",
    "Similarity",
    "batch_mutual_information",
    "beta_elbo",
    "free_bits",
    "importance_weighted_bound",
    "info_nce",
]
