"""The table of the quantisers."""

from typing import Any

from discretevae.latents.quantisers.diveq import DiVeQ
from discretevae.latents.quantisers.finite_scalar import FiniteScalarQuantiser
from discretevae.latents.quantisers.lookup_free import (
    BinarySphericalQuantiser,
    LookupFreeQuantiser,
)
from discretevae.latents.quantisers.quantiser import Quantiser
from discretevae.latents.quantisers.simvq import SimVQ
from discretevae.latents.quantisers.vector import VectorQuantiser
from discretevae.names import resolve

__all__ = ["QUANTISERS", "quantiser_from_config"]

QUANTISERS: dict[str, type[Quantiser]] = {
    "vq": VectorQuantiser,
    "diveq": DiVeQ,
    "simvq": SimVQ,
    "fsq": FiniteScalarQuantiser,
    "lfq": LookupFreeQuantiser,
    "bsq": BinarySphericalQuantiser,
}
"""Name → quantiser class, each with sizes of its own."""


def quantiser_from_config(config: dict[str, Any]) -> Quantiser:
    """Rebuilds what :meth:`Quantiser.config` describes, without its weights.

    Raises:
        ValueError: If the kind is unknown or an option does not belong to it.

    Example:
        >>> quantiser_from_config({"kind": "fsq", "levels": [8, 6, 5]}).num_codes
        240
    """
    options = dict(config)
    kind = resolve("quantiser", str(options.pop("kind", None)), QUANTISERS)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"`quantiser` does not fit {config}: {error}.") from None
