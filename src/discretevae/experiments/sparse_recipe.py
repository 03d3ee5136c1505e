"""The recipe of a run of a sparse autoencoder.

Nothing is loaded here that a command does without which only shows its help.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from discretevae.names import named, require_names
from discretevae.training.sparse_options import SparseLoop, SparseOptions

__all__ = ["SparseData", "SparseRecipe", "SparseShape"]

EXPANSION, MOST_K, OF_DIM = 8, 32, 4
"""By default m is 8 d, and k is d / 4 but at most 32."""


@dataclass(frozen=True)
class SparseData:
    """What is taken apart.

    Arguments:
        activations: A .npy, .npz, .parquet or .safetensors file of activations (…, d), or a folder
            of such files; given as the first argument.
        targets: Such a file of what a transcoder takes them to, row by row.
        shown: What each row is of, for the page: a .json list of tokens, a .txt file with one a
            line, or a .npy file of images.
        demo: Train a small network on text that is at hand, and take its activations.
        test: The fraction held out for the report, at most 10,000 rows.
    """

    activations: str | None = None
    targets: str | None = None
    shown: str | None = None
    demo: bool = False
    test: float = 0.1


@dataclass(frozen=True)
class SparseShape:
    """What the autoencoder is.

    Arguments:
        kind: relu (with an L1 penalty), topk, batch-topk, jumprelu, gated or matryoshka.
        width: The number of latents; by default 8 d.
        k: How many are active, each time or on average; by default a quarter of d, at most 32.
        penalty: The weight of the penalty of relu, gated and jumprelu; by default that of relu and
            gated is steered towards k, as the thresholds of jumprelu are unless it is 0.
    """

    kind: str = named(
        "topk",
        "sparse.table:SPARSE_KINDS",
        names=("relu", "topk", "batch-topk", "jumprelu", "gated", "matryoshka"),
    )
    width: int | None = None
    k: int | None = None
    penalty: float | None = None


@dataclass(frozen=True)
class SparseRecipe(SparseLoop, SparseShape, SparseData):
    """All that a run depends on.

    Raises:
        ValueError: If a number is out of range or a name unknown.

    Example:
        >>> SparseRecipe(activations="x.npy").resolved(dim=64).width
        512
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        require_names(self)
        if self.demo and (self.activations or self.targets or self.shown):
            raise ValueError("`demo` must go without activations of your own, which were given.")

    def resolved(self, dim: int) -> "SparseRecipe":
        """Gives the recipe with its sizes named."""
        width = self.width or EXPANSION * dim
        return replace(self, width=width, k=self.k or max(1, min(MOST_K, dim // OF_DIM, width)))

    def options(self, progress_bar: bool = True) -> SparseOptions:
        """Gives those of training."""
        kept = {one.name: getattr(self, one.name) for one in fields(SparseLoop)}
        return SparseOptions(**kept, progress_bar=progress_bar)

    def shape(self, dim: int, dim_out: int | None) -> dict[str, Any]:
        """Describes the autoencoder."""
        resolved = self.resolved(dim)
        sizes = {"dim": dim, "width": resolved.width, "k": resolved.k, "dim_out": dim_out}
        extra = {} if self.penalty is None else {"penalty": self.penalty}
        return {"kind": self.kind, **sizes, **extra}

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, as a configuration file has them."""
        return asdict(self)
