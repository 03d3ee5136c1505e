"""Loads sparse autoencoders of any format that is known."""

from collections.abc import Callable
from pathlib import Path

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.formats import saelens, sparsify
from discretevae.sparse.formats.reading import SparseFileError
from discretevae.sparse.formats.saelens import load_saelens, save_saelens
from discretevae.sparse.formats.sparsify import load_sparsify

__all__ = ["load", "save"]

LOADERS: dict[str, Callable[[str | Path], SparseAutoencoder]] = {
    saelens.WEIGHTS: load_saelens,
    sparsify.WEIGHTS: load_sparsify,
}
"""Name of the weights → what reads such a folder."""
PICKLES = ("ae.pt", "sae.pt")
"""Weights that others write and that may run any program."""


def save(model: SparseAutoencoder, folder: str | Path) -> None:
    """Writes an autoencoder as two files that SAELens reads as well; no pickle.

    Example:
        >>> import tempfile, torch
        >>> from discretevae.sparse import TopKAutoencoder
        >>> model = TopKAutoencoder(dim=8, width=32, k=4).eval()
        >>> folder = tempfile.mkdtemp()
        >>> save(model, folder)
        >>> x = torch.randn(5, 8)
        >>> bool((load(folder)(x) == model(x)).all())
        True
    """
    save_saelens(model, folder)


def load(folder: str | Path) -> SparseAutoencoder:
    """Loads an autoencoder that we, SAELens or sparsify have written; a run's folder will do.

    Raises:
        SparseFileError: If there is none, or it is damaged.

    Example:
        >>> load("no/such")
        Traceback (most recent call last):
        discretevae.sparse.formats.reading.SparseFileError: `no/such` must be a folder with \
sae_weights.safetensors or sae.safetensors, got no such folder.
    """
    folder = Path(folder)
    for place in (folder, folder / "model"):
        for name, loader in LOADERS.items():
            if (place / name).exists():
                return loader(place)
    got = "no such folder"
    if folder.is_dir():
        pickled = next((name for name in PICKLES if (folder / name).exists()), None)
        got = f"{pickled}, a pickle, which is never loaded" if pickled else "neither"
    raise SparseFileError(f"`{folder}` must be a folder with {' or '.join(LOADERS)}, got {got}.")
