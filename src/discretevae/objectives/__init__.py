"""What is trained and what is reported, as functions of per-example terms in nats."""

from discretevae.objectives.elbo import ELBO, beta_elbo
from discretevae.objectives.importance import importance_weighted_bound

__all__ = ["ELBO", "beta_elbo", "importance_weighted_bound"]
