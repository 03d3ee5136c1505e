"""The table of the kinds of sparse autoencoders."""

from typing import Any

from discretevae.names import resolve
from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.batch_topk import BatchTopKAutoencoder
from discretevae.sparse.gated import GatedAutoencoder
from discretevae.sparse.jumprelu import JumpReLUAutoencoder
from discretevae.sparse.matryoshka import MatryoshkaAutoencoder
from discretevae.sparse.relu import ReLUAutoencoder
from discretevae.sparse.topk import TopKAutoencoder

__all__ = ["SPARSE_KINDS", "sparse_from_config"]

SPARSE_KINDS: dict[str, type[SparseAutoencoder]] = {
    "relu": ReLUAutoencoder,
    "topk": TopKAutoencoder,
    "batch-topk": BatchTopKAutoencoder,
    "jumprelu": JumpReLUAutoencoder,
    "gated": GatedAutoencoder,
    "matryoshka": MatryoshkaAutoencoder,
}
"""Name → class of sparse autoencoder."""


def sparse_from_config(config: dict[str, Any]) -> SparseAutoencoder:
    """Rebuilds what :meth:`SparseAutoencoder.config` describes, without its weights.

    Raises:
        ValueError: If the kind is unknown or an option does not belong to it.

    Example:
        >>> sparse_from_config({"kind": "topk", "dim": 8, "width": 32, "k": 4}).width
        32
    """
    options = dict(config)
    kind = resolve("kind", str(options.pop("kind", None)), SPARSE_KINDS)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"`kind` does not fit {config}: {error}.") from None
