"""The practical rule for choosing an estimator."""

from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact
from discretevae.estimators.reinmax import ReinMax
from discretevae.estimators.unordered_set import UnorderedSet
from discretevae.latents import is_enumerable

__all__ = ["recommended"]

CHEAP_CODES = 256
"""Enumerating this many codes, shared by a batch, costs a few passes of the decoder."""
FEW_CODES = 16
"""So many may be enumerated where each example has codes of its own to evaluate."""
FEW_LATENTS = 5
"""Up to here an unbiased estimator trained better than ReinMax; see results/estimator_choice.md."""


def recommended(num_latents: int, num_categories: int, shared: bool = True) -> Estimator:
    """Chooses exact enumeration while it is cheap, else the default that trains best.

    With few latents each one changes the decoded picture a lot: the likelihood is far from
    quadratic in it, and ReinMax's bias costs more than the variance of an unbiased estimator. Of
    these the unordered set has the least for its time once few codes hold most of q, which is so
    from the first epochs on (results/estimators.md). With many latents it is the other way round.

    Arguments:
        num_latents: D.
        num_categories: K.
        shared: Whether all examples share the evaluation of a code. False for a layer of a
            hierarchy: what a code leads to depends on the example.

    Example:
        >>> recommended(2, 8), recommended(2, 8, shared=False)
        (Exact(budget=65536), UnorderedSet(samples=4))
        >>> recommended(4, 8)
        UnorderedSet(samples=4)
        >>> recommended(20, 10)
        ReinMax(samples=1, temperature=1.0)
    """
    if is_enumerable(num_latents, num_categories, CHEAP_CODES if shared else FEW_CODES):
        return Exact()
    return UnorderedSet() if num_latents <= FEW_LATENTS else ReinMax()
