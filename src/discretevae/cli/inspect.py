"""The command that says what data mean, before anything is learned from them."""

from pathlib import Path

from discretevae.texts import say

__all__ = ["inspect"]


def inspect(
    data: str,
    *,
    likelihood: str | None = None,
    drop: str | None = None,
    id: str | None = None,
    label: str | None = None,
    numeric: str | None = None,
    categorical: str | None = None,
    date: str | None = None,
    na_values: str | None = None,
    header: str = "auto",
    delimiter: str | None = None,
    decimal: str | None = None,
    layout: str = "auto",
    levels: int | None = None,
    splits: str = "auto",
    column: str | None = None,
    size: int | None = None,
    pieces: int | None = None,
    sentence_length: int | None = None,
    strict: bool = False,
    html: str | None = None,
) -> None:
    """Say what was taken for what in a file or folder, and what was left out.

    Args:
        data: A table (.csv, .tsv, .parquet), an array (.npy, .npz), sentences (.txt, or a column
            of a table), a folder of images, or the name of a data set.
        likelihood: That is asked for: columns takes a file for a table, tokens for sentences, all
            others for numbers; by default what suits the data.
        drop: Columns to leave out, with commas between them.
        id: Columns that name the rows, with commas between them.
        label: The column, or the array of an archive, that holds the labels.
        numeric: Columns that are numbers, with commas between them.
        categorical: Columns whose cells are names, with commas between them.
        date: Columns that are dates, with commas between them.
        na_values: What a cell without a value may say besides, with commas between them.
        header: Whether the first line of a file names the columns: auto, yes or no.
        delimiter: What stands between cells: a sign, or tab.
        decimal: The decimal sign, a point or a comma.
        layout: Of images in an array: auto, channels-first or channels-last.
        levels: The number that stands for 1: 255 for bytes, 65535 for 16 bits.
        splits: auto takes parts called train, val and test as they are, pool splits by seed.
        column: Of the sentences in a table.
        size: The side to which images of several sizes are scaled and cut.
        pieces: Size of a vocabulary of pieces of words; by default tokens are characters.
        sentence_length: Most tokens of a sentence; longer ones are cut and counted.
        strict: Refuse what would else be counted and left out.
        html: A page to write, with the first rows or a picture of the first images.
    """
    options = {k: v for k, v in locals().items() if k not in ("data", "html")}
    from discretevae.data import ReadingOptions, load
    from discretevae.files import write_text
    from discretevae.pages.first_look import as_page, as_terminal

    splits_found = load(
        data,
        likelihood=likelihood,
        pieces=pieces,
        max_tokens=sentence_length,
        validation=0.0,
        test=0.0,
        reading=ReadingOptions.from_options(options),
    )
    for line in as_terminal(splits_found, likelihood).splitlines():
        say(line)
    if html is not None:
        if Path(html).suffix != ".html":
            raise ValueError(f"`--html` must end in .html, got {html!r}.")
        write_text(html, as_page(splits_found, likelihood))
        say(html)
