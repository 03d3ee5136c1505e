"""What everybody has for the same task: gzip."""

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from discretevae.data import Batch, as_batch
from discretevae.evaluation.figure import NATS, Figure

__all__ = ["GZIP", "gzip_figure", "gzip_in_words"]

GZIP = "gzip"
"""The figure's name in the record."""
BYTE = 256
"""Values that a byte has room for."""


def gzip_figure(batches: Iterable[Batch | Any], symbols: int) -> Figure | None:
    r"""Gives minus the length of all examples together under gzip -9, as an ELBO compares with it.

    .. math:: -\frac{8 \log 2}{N} \, |\mathrm{gzip}(x_1 \ldots x_N)|

    Bits are packed, eight to a byte, as gzip does not find them otherwise. It is no bound: a
    shorter file would need a better program.

    Arguments:
        batches: Of observations with `symbols` values each: 0, 1 / (V − 1), …, 1.
        symbols: V.

    Returns:
        Nats per example; None where a value does not fit into a byte.

    Example:
        >>> import torch
        >>> -1 < gzip_figure([torch.zeros(1000, 800)], symbols=2).value < 0
        True
    """
    if symbols > BYTE:
        return None
    parts = [as_batch(batch).x.cpu().flatten(1).double().numpy() for batch in batches]
    levels = np.round(np.concatenate(parts) * (symbols - 1)).astype(np.uint8)
    packed = np.packbits(levels) if symbols == 2 else levels
    compressor = zlib.compressobj(9, wbits=31)  # with the head and the end of a .gz file
    size = len(compressor.compress(packed.tobytes()) + compressor.flush())
    note = "minus the length under gzip -9 of these examples in one file"
    return Figure(-8 * size * math.log(2) / len(levels), None, NATS, note)


def gzip_in_words(figures: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Compares the ELBO with gzip, in bits an example.

    Returns:
        A sentence; None where the figures have no gzip.

    Example:
        >>> gzip_in_words({"elbo": {"value": -69.315}, "gzip": {"value": -138.63}})
        'gzip takes 200 bits an example of the same, the model 100 by its bound: 50 % less.'
    """
    if GZIP not in figures or "elbo" not in figures:
        return None
    ours, theirs = (-figures[name]["value"] / math.log(2) for name in ("elbo", GZIP))
    share = 100 * (1 - ours / theirs)
    than = f"{abs(share):.0f} % {'less' if share >= 0 else 'more'}"
    return (
        f"gzip takes {theirs:.4g} bits an example of the same, the model {ours:.4g} by its bound: "
        f"{than}."
    )
