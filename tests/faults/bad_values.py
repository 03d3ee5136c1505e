"""Values that are wrong for an argument, by the kind of a value that is right."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from torch import Tensor

__all__ = ["alike", "bad", "draws"]

INTS = st.one_of(
    st.sampled_from(
        [-1, 0, -(10**9), 2**31, 2**40, 2**62, 2**63, 2**64, 10**30, -(2**63), True, False]
    ),
    st.sampled_from([np.int64(-3), np.int64(2**40), np.uint8(200), 3, 50]),
    st.integers(-5, 50),  # what is right and slow tells nothing
    st.integers(2**31, 2**70),
    st.integers(-(2**70), -1),
)
FLOATS = st.one_of(
    st.sampled_from([float("nan"), float("inf"), float("-inf"), -1.0, 0.0, 1e308, 1e-320, -0.0]),
    st.sampled_from([np.float32("nan"), np.float64(-2.5), -3, True]),
    st.floats(),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "\0", "nonsense", "../..", "x" * 1000, "ünïcode ☃", "1e", "nan", "-"]
    ),
    st.sampled_from(["1:", ":", "1:2:0", "0:inf", "inf", "-1:2", "1:2:3:4", "1:2:x", "5%"]),
    st.text(max_size=20),
)
SEQUENCES = st.one_of(
    st.sampled_from(
        [(), (0,), (-1,), (2**40,), (3, 0), (10**30,), (1, 1, 1, 1, 1), (2**31, 2**31)]
    ),
    st.lists(INTS, max_size=4).map(tuple),
    st.lists(st.floats(), min_size=1, max_size=3).map(tuple),
    st.lists(st.text(max_size=2), min_size=1, max_size=3).map(tuple),
)
OBJECTS = st.sampled_from([None, 3, -1.5, "x", (), [None], {}, {"kind": "x"}, b"x", object, print])
PATHS = st.one_of(
    st.sampled_from(
        ["", "/dev", "/dev/null", "no/such/x.npy", "x" * 300, "a\0b", "/proc/self/mem"]
    ),
    st.sampled_from(["ünïcode.csv", "/etc", "x.npy/y", "a.docx", " "]),
    st.text(max_size=12),
)
FILLS = (float("nan"), float("inf"), float("-inf"), -1.0, 0.5, 1e38, 2.0)


def bad(good: Any) -> st.SearchStrategy[Any]:
    """Values that are wrong where `good` is right: of its kind mostly, sometimes of another."""
    return st.one_of(_of_kind(good), _of_kind(good), _of_kind(good), OBJECTS)


def alike(good: Any, value: Any) -> bool:
    """Whether a value is of the kind of one that is right, so that only its content is wrong."""
    for kinds in (int, np.integer), (float, int, np.floating, np.integer), (str,), (Path, str):
        if isinstance(good, kinds):
            return isinstance(value, kinds) and not (
                kinds[0] is int and isinstance(value, bool) and not isinstance(good, bool)
            )
    if isinstance(good, Tensor):
        return isinstance(value, Tensor) and _family(value.dtype) == _family(good.dtype)
    if isinstance(good, np.ndarray):
        return isinstance(value, np.ndarray) and value.dtype.kind == good.dtype.kind
    if isinstance(good, (tuple, list, range)):
        kinds = {type(item) for item in good}
        return isinstance(value, (tuple, list)) and {type(item) for item in value} <= kinds
    return False


def _family(dtype: torch.dtype) -> tuple[bool, bool, bool]:
    return dtype.is_floating_point, dtype.is_complex, dtype == torch.bool


def _of_kind(good: Any) -> st.SearchStrategy[Any]:
    match good:
        case bool():
            return st.sampled_from([2, "x", None, float("nan")])
        case int():
            return INTS
        case float():
            return FLOATS
        case Path():
            return PATHS
        case str():
            return TEXTS
        case Tensor():
            return st.one_of(_shapes(good), _shapes(good), st.sampled_from(_tensors(good)))
        case np.ndarray():
            values = [
                t.numpy() for t in _tensors(torch.as_tensor(good)) if t.dtype != torch.bfloat16
            ]
            return st.sampled_from([*values, good.astype(object), good.astype(str)])
        case tuple() | list() | range():
            return SEQUENCES
        case _:
            return OBJECTS


def _shapes(good: Tensor) -> st.SearchStrategy[Tensor]:
    sizes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 7]), max_size=4)
    return sizes.map(lambda shape: torch.zeros(shape, dtype=good.dtype))


def _tensors(good: Tensor) -> list[Tensor]:
    """The same with one entry spoilt, of other shapes and of other types."""
    found = [good[:0], good[..., :0], good[0], good[None], good.flatten(), good.T.contiguous()]
    found += [good.double(), good.long(), good.bool(), good.half(), good.to(torch.complex64)]
    fills = FILLS if good.is_floating_point() else (-1, 2**40, 99)
    for fill in fills:
        spoilt = good.clone()
        spoilt.view(-1)[-1] = fill
        found.append(spoilt)
    return found


def draws(count: int) -> settings:
    """How hypothesis draws so many cases: it keeps none, and makes none simpler."""
    return settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
