"""The table of the routers."""

from collections.abc import Callable

from discretevae.routing.exact_router import ExactRouter
from discretevae.routing.reinforce_router import ReinforceRouter
from discretevae.routing.reinmax_router import ReinMaxRouter
from discretevae.routing.rloo_router import RLOORouter
from discretevae.routing.router import Router
from discretevae.routing.sparsemixer import SparseMixer
from discretevae.routing.straight_through_router import StraightThroughRouter
from discretevae.routing.switch import Switch

__all__ = ["ROUTERS"]

ROUTERS: dict[str, Callable[[], Router]] = {
    "exact": ExactRouter,
    "reinforce": ReinforceRouter,
    "rloo": RLOORouter,
    "straight-through": StraightThroughRouter,
    "reinmax": ReinMaxRouter,
    "switch": Switch,
    "sparsemixer-v1": lambda: SparseMixer("v1"),
    "sparsemixer-v2": lambda: SparseMixer("v2"),
    "sparsemixer-v2*": lambda: SparseMixer("v2*"),
}
"""Name → makes a router with its published defaults."""
