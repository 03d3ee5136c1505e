"""Estimators of E_q[f(z)] and of its gradient: one method, one file."""

from discretevae.estimators.arm import ARM
from discretevae.estimators.auto import recommended
from discretevae.estimators.baselines import Baseline, ConstantBaseline, MovingAverageBaseline
from discretevae.estimators.carms import CARMS
from discretevae.estimators.darn import DARN
from discretevae.estimators.disarm import DisARM
from discretevae.estimators.double_cv import DoubleCV
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact
from discretevae.estimators.functions import CodeFunction, as_code_function
from discretevae.estimators.gst import GST
from discretevae.estimators.gumbel_rao import GumbelRao
from discretevae.estimators.gumbel_softmax import GumbelSoftmax
from discretevae.estimators.layer import PointLayer
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
from discretevae.estimators.table import ESTIMATORS, POINTS
from discretevae.estimators.top_k import TopK
from discretevae.estimators.unordered_set import UnorderedSet

__all__ = [
    "ARM",
    "CARMS",
    "DARN",
    "ESTIMATORS",
    "GST",
    "MVE",
    "NVIL",
    "POINTS",
    "REBAR",
    "RELAX",
    "RLOO",
    "RODEO",
    "Baseline",
    "CodeFunction",
    "ConstantBaseline",
    "DisARM",
    "DoubleCV",
    "Estimator",
    "Exact",
    "GumbelRao",
    "GumbelSoftmax",
    "LocalExpectation",
    "MovingAverageBaseline",
    "MuProp",
    "OverlappingExponential",
    "Point",
    "PointLayer",
    "ReinMax",
    "ReinMaxCV",
    "ReinMaxRao",
    "Reinforce",
    "STGumbelSoftmax",
    "StraightThrough",
    "TopK",
    "UnorderedSet",
    "as_code_function",
    "recommended",
]
