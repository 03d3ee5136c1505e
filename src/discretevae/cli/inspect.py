"""The command that says what data mean, before anything is learned from them."""

from pathlib import Path

from discretevae.cli.options import shares
from discretevae.experiments.recipe import Recipe
from discretevae.texts import say

__all__ = ["inspect"]


@shares(
    *("data", "likelihood", "drop", "id", "label", "numeric", "categorical", "date", "na_values"),
    *("header", "delimiter", "decimal", "layout", "levels", "splits", "column", "size", "pieces"),
    *("sentence_length", "strict"),
)
def inspect(recipe: Recipe, *, html: str | None = None) -> None:
    """Say what was taken for what in a file or folder, and what was left out.

    Args:
        html: A page to write, with the first rows or a picture of the first images.

    Examples:
        discretevae inspect patients.csv
        discretevae inspect photos/ --html photos.html
    """
    from discretevae.data import ReadingOptions, load
    from discretevae.files import write_text
    from discretevae.pages.first_look import as_page, as_terminal

    if html is not None and Path(html).suffix != ".html":
        raise ValueError(f"`--html` must end in .html, got {html!r}.")
    found = load(
        recipe.data,
        likelihood=recipe.likelihood,
        pieces=recipe.pieces,
        max_tokens=recipe.sentence_length,
        validation=0.0,
        test=0.0,
        reading=ReadingOptions.from_options(recipe.as_dict()),
    )
    for line in as_terminal(found, recipe.likelihood).splitlines():
        say(line)
    if html is not None:
        write_text(html, as_page(found, recipe.likelihood))
        say(html)
