"""The points as plain functions, for networks of one's own: `z = reinmax(logits)`.

Each takes logits of shape (*B, K), any leading dimensions, and gives a point for each row: an exact
one-hot code, to the bit, but for `gumbel_softmax` and `overlapping_exponential`, which are relaxed.
The gradient of z for the logits is the method's. A `generator` decides all that is drawn. K < 2 is
refused; a logit of −inf rules its class out.
"""

from discretevae.estimators.darn import darn
from discretevae.estimators.gst import gst
from discretevae.estimators.gumbel_rao import gumbel_rao
from discretevae.estimators.gumbel_softmax import gumbel_softmax
from discretevae.estimators.mve import mve
from discretevae.estimators.overlapping import overlapping_exponential
from discretevae.estimators.reinmax import reinmax
from discretevae.estimators.reinmax_cv import reinmax_cv
from discretevae.estimators.reinmax_rao import reinmax_rao
from discretevae.estimators.st_gumbel_softmax import st_gumbel_softmax
from discretevae.estimators.straight_through import straight_through

__all__ = [
    "darn",
    "gst",
    "gumbel_rao",
    "gumbel_softmax",
    "mve",
    "overlapping_exponential",
    "reinmax",
    "reinmax_cv",
    "reinmax_rao",
    "st_gumbel_softmax",
    "straight_through",
]
