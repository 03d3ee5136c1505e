"""Formulas as a terminal shows them; every docstring of an estimator is one that can be shown."""

import pytest

from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.pages.formula import explained, plain_formula


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"\mathbb{E}_q[f(z)] = \sum_z q(z) f(z)", "E_q[f(z)] = Σ_z q(z) f(z)"),
        (r"2 J(\pi_z) v - \tfrac12 J(p) v", "2 J(π_z) v − 1/2 J(p) v"),
        (r"\frac{\beta e^{-\beta \zeta}}{1 - e^{-\beta}}", "(β e^(−β ζ))/(1 − e^(−β))"),
        (r"T \setminus \{i, j\}", "T ∖ {i, j}"),
        (r"\bar v = \frac{\partial f}{\partial z}(p)", "v\u0304 = ∂f/∂z(p)"),
        (r"\nabla \log q, \qquad \nabla f(z)", "∇ log q,\n∇f(z)"),
        (r"\Big( \frac{l + G^m}{\tau} \Big)", "((l + G^m)/τ)"),
        (r"[\, x ]_+", "[x]_+"),
    ],
)
def test_formulas_are_read_aloud(tex: str, plain: str) -> None:
    assert plain_formula(tex) == plain


@pytest.mark.parametrize("name", [*ESTIMATORS, *MULTISAMPLE_ESTIMATORS])
def test_every_estimator_is_explained(name: str) -> None:
    text = explained(({**ESTIMATORS, **MULTISAMPLE_ESTIMATORS}[name]).__doc__ or "")
    assert not set(text) & set("\\\x00\x01"), "a command of LaTeX is left"
    assert "math:" not in text
    assert "**" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "\n\n    " in text, "the formula stands apart"
    assert "\nReference: " in text or name == "exact"
    assert "Raises:" not in text
    assert ">>>" not in text
