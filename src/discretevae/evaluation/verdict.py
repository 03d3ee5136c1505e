"""Whether a model is good, and against what, in one sentence."""

from collections.abc import Mapping
from typing import Any

from discretevae.evaluation.gzipped import GZIP
from discretevae.evaluation.no_code import NO_CODE
from discretevae.evaluation.reference import OVER_REFERENCE, REFERENCE

__all__ = ["verdict_in_words"]

CLEAR = 2.0
"""Standard errors from which a difference is one."""
BETTER, ALIKE, WORSE = "better than", "as good as", "worse than"

Figures = Mapping[str, Mapping[str, Any]]


def verdict_in_words(
    figures: Figures, split: str, reference: str, without: str = "one without a code"
) -> str | None:
    """Says against what the bound of a model is better, and against what it is not.

    A difference from another model that is below two standard errors is none.

    Arguments:
        figures: Of one split, as `evaluate` gives them.
        split: Its name.
        reference: What the other model is, if there is one.
        without: What `no_code` is of. Where each dimension is written given those before, it is no
            model without a code but independent dimensions, which are far worse.

    Returns:
        A sentence; None where there is nothing to compare with.

    Example:
        >>> figures = {"elbo": {"value": -22.5}, "no_code": {"value": -27.2}}
        >>> apart = {"over_reference": {"value": -0.6, "se": 0.1}, "reference": {"value": -21.9}}
        >>> verdict_in_words({**figures, **apart}, "test", "a Gaussian VAE")
        'On test examples the model is better than one without a code, worse than a Gaussian VAE.'
    """
    if "elbo" not in figures:
        return None
    found: dict[str, list[str]] = {BETTER: [], ALIKE: [], WORSE: []}
    for name, what in ((NO_CODE, without), (GZIP, "gzip"), (REFERENCE, reference)):
        if name in figures:
            how = _compared(figures, name)
            found[how].append(f"{how.split()[-1] if found[how] else how} {what}")
    said = [" and ".join(found[how]) for how in found if found[how]]
    return f"On {split} examples the model is {', '.join(said)}." if said else None


def _compared(figures: Figures, name: str) -> str:
    apart, error = figures["elbo"]["value"] - figures[name]["value"], 0.0
    if name == REFERENCE:
        apart, error = (figures[OVER_REFERENCE][key] or 0.0 for key in ("value", "se"))
    if abs(apart) <= CLEAR * error:
        return ALIKE
    return BETTER if apart > 0 else WORSE
