"""The table of the estimators of E_q[f(z)]."""

from discretevae.estimators.arm import ARM
from discretevae.estimators.carms import CARMS
from discretevae.estimators.darn import DARN
from discretevae.estimators.disarm import DisARM
from discretevae.estimators.double_cv import DoubleCV
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact
from discretevae.estimators.gst import GST
from discretevae.estimators.gumbel_rao import GumbelRao
from discretevae.estimators.gumbel_softmax import GumbelSoftmax
from discretevae.estimators.local_expectation import LocalExpectation
from discretevae.estimators.muprop import MuProp
from discretevae.estimators.mve import MVE
from discretevae.estimators.nvil import NVIL
from discretevae.estimators.overlapping import OverlappingExponential
from discretevae.estimators.point import Point
from discretevae.estimators.rebar import REBAR
from discretevae.estimators.reinforce import Reinforce
from discretevae.estimators.reinmax import ReinMax
from discretevae.estimators.reinmax_cv import ReinMaxCV
from discretevae.estimators.reinmax_rao import ReinMaxRao
from discretevae.estimators.relax import RELAX
from discretevae.estimators.rloo import RLOO
from discretevae.estimators.rodeo import RODEO
from discretevae.estimators.st_gumbel_softmax import STGumbelSoftmax
from discretevae.estimators.straight_through import StraightThrough
from discretevae.estimators.top_k import TopK
from discretevae.estimators.unordered_set import UnorderedSet

__all__ = ["ESTIMATORS", "POINTS"]

ESTIMATORS: dict[str, type[Estimator]] = {
    "exact": Exact,
    "reinforce": Reinforce,
    "rloo": RLOO,
    "nvil": NVIL,
    "unordered-set": UnorderedSet,
    "local-expectation": LocalExpectation,
    "top-k": TopK,
    "carms": CARMS,
    "arm": ARM,
    "disarm": DisARM,
    "muprop": MuProp,
    "double-cv": DoubleCV,
    "rodeo": RODEO,
    "rebar": REBAR,
    "relax": RELAX,
    "gumbel-softmax": GumbelSoftmax,
    "overlapping-exponential": OverlappingExponential,
    "st-gumbel-softmax": STGumbelSoftmax,
    "straight-through": StraightThrough,
    "reinmax": ReinMax,
    "gumbel-rao": GumbelRao,
    "gst": GST,
    "darn": DARN,
    "mve": MVE,
    "reinmax-rao": ReinMaxRao,
    "reinmax-cv": ReinMaxCV,
}
"""Name → estimator class; a class called without arguments has its recommended defaults."""

POINTS: dict[str, type[Point]] = {
    name: kind for name, kind in ESTIMATORS.items() if issubclass(kind, Point)
}
"""Those of them that only choose a point, and so are layers too."""
