"""A model's codes in a notebook: a page in a frame that is complete in itself, without a server."""

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from discretevae.data import given_whole
from discretevae.files import write_text
from discretevae.models import VAE
from discretevae.pages.explorer.precomputed import of_subject
from discretevae.pages.explorer.subject import ExplorerError, Subject
from discretevae.pages.html import render, script
from discretevae.texts import note

__all__ = ["Explorer", "explore"]

HEAD, ROW, MOST = 24, 5, 52
"""Heights in the notebook, in lines: of what stands above the latents, of each latent, of all."""


@dataclass(frozen=True, repr=False)
class Explorer:
    """The page on which a model's codes are changed by hand; a notebook shows it in a frame.

    Arguments:
        page: HTML that needs no other file, no network and no kernel.
        about: The model, in words.
        height: Of the frame, in lines.
    """

    page: str
    about: str
    height: int = MOST

    def save(self, path: str | Path) -> Path:
        """Writes the page, to be opened in any browser."""
        write_text(Path(path), self.page)
        return Path(path)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.about)}" srcdoc="{escape(self.page)}" '
            f'sandbox="allow-scripts" style="width: 100%; height: {self.height}em; '
            'border: 1px solid #8884; resize: vertical"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Explorer of {self.about}; save('explorer.html') writes it as a page>"


def explore(model: VAE, data: Any = None, *, seed: int = 0) -> Explorer:
    """Shows a model's codes in a notebook, to be changed by hand.

    All that can be chosen is decoded now, so that nothing is left to run: every code where there
    are at most 4,096, else each single change of some codes. The command `discretevae explore RUN`
    has no such limit, takes inputs of your own, and needs the extra `explore`.

    Arguments:
        model: Of D categorical latents; trained, or loaded by `from_pretrained`.
        data: Examples to start from: splits, or what `train` takes; by default only samples of the
            prior.
        seed: Of the samples.

    Returns:
        What a notebook shows in a frame; its `save` writes the page. Where there is no notebook,
        a line on the error stream says so.

    Raises:
        ValueError: If the model's codes are not categories alone, or stand on a grid, or the data
            are none of the model's.

    Example:
        >>> from discretevae import DiscreteVAE, load_data
        >>> digits = load_data("digits", binarize="threshold", limit=30)
        >>> explore(DiscreteVAE((1, 8, 8), 3, 4), digits).about
        'the codes of 3 latents of 4 categories'
    """
    if not model.codes_are_classes:
        raise ExplorerError(
            "`model` must be one whose code is D categories and stands on no grid, "
            f"got {model!r}; of a run, `discretevae explore RUN` shows grids too."
        )
    was_training = model.training
    model.eval()
    try:
        found = of_subject(_subject(model, data, seed), seed)
    finally:
        model.train(was_training)
    if found is None:
        raise ExplorerError(
            f"`model` must have a code whose changes fit a page, got {model!r}; of a run, "
            "`discretevae explore RUN` has no such limit."
        )
    latents, categories = len(found.data["latents"]), found.data["categories"]
    page = render("inline.html.j2", explorer=found, script=script("explorer.js"))
    shown = Explorer(
        page,
        f"the codes of {latents} latents of {categories} categories",
        min(HEAD + ROW * latents, MOST),
    )
    if "ipykernel.kernelapp" not in sys.modules:
        note("explore: here is no notebook to show it in; save('explorer.html') writes the page")
    return shown


def _subject(model: VAE, data: Any, seed: int) -> Subject:
    if data is None:
        return Subject.of_prior(model, seed)
    return Subject.of(model, given_whole(data, model.likelihood.config(), seed), training=0)
