"""SparseMixer's gradients by enumeration."""

import pytest
import torch

from discretevae.routing import SparseMixer

from .enumeration import FUNCTIONS, PROBLEMS, bias, exact, gating_only, of_router, problem
