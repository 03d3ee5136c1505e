"""Discrete gates over experts: a mixture of experts, and the routers that train its gate."""

from discretevae.routing.balance import balance_loss, effective_experts, load
from discretevae.routing.estimated_router import EstimatedRouter
from discretevae.routing.exact_router import ExactRouter
from discretevae.routing.experts import Experts, MLPExperts
from discretevae.routing.masked_softmax import masked_logits
from discretevae.routing.mixture import MixtureOfExperts, Routed
from discretevae.routing.point_router import PointRouter
from discretevae.routing.products import grouped_linear
from discretevae.routing.reinforce_router import ReinforceRouter
from discretevae.routing.reinmax_router import ReinMaxRouter
from discretevae.routing.rloo_router import RLOORouter
from discretevae.routing.router import Router
from discretevae.routing.sparsemixer import SCHEMES, Scheme, SparseMixer
from discretevae.routing.straight_through_router import StraightThroughRouter
from discretevae.routing.switch import Switch
from discretevae.routing.table import ROUTERS
from discretevae.routing.tokens import Tokens

__all__ = [
    "ROUTERS",
    "SCHEMES",
    "EstimatedRouter",
    "ExactRouter",
    "Experts",
    "MLPExperts",
    "MixtureOfExperts",
    "PointRouter",
    "RLOORouter",
    "ReinMaxRouter",
    "ReinforceRouter",
    "Routed",
    "Router",
    "Scheme",
    "SparseMixer",
    "StraightThroughRouter",
    "Switch",
    "Tokens",
    "balance_loss",
    "effective_experts",
    "grouped_linear",
    "load",
    "masked_logits",
]
