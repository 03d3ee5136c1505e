r"""Texts that come from files, as each place shows them: a name is never a command.

Whatever is shown goes through here. Letters stay as they are; what a place would take for more
than letters is marked, and nothing is left out:

- everywhere, signs that nobody sees (escape codes, line ends, marks that turn the direction of
  reading) are written as Python writes them, ``\x1b``;
- Markdown: signs get a backslash, so that they make no link, no picture and no heading;
- figures: ``$`` gets a backslash, so that it begins no formula;
- a cell of a .csv file that a spreadsheet would run gets an apostrophe before it, which is taken
  away where such a file is read again.

HTML is escaped by the templates themselves.
"""

import re
import sys
import unicodedata
from contextvars import ContextVar

from discretevae.names import shorten

__all__ = [
    "LOUDNESS",
    "for_csv",
    "for_figure",
    "for_markdown",
    "from_csv",
    "note",
    "say",
    "visible",
]

LOUDNESS: ContextVar[str] = ContextVar("LOUDNESS", default="normal")
"""How much is said beside results and errors: "quiet", which is nothing, "normal" or "verbose"."""

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that leave no ink but do something."""
KEPT = "\u200c\u200d\u00ad"
"""Of these, what belongs to the spelling of words and to emoji."""
MARKS = re.compile(r"([\\`*\[\]<>#|!~$&]|(?<![^\W_])_|_(?![^\W_])|(?<=\w):(?=//)|(?<=\bwww)\.|@)")
"""What Markdown, or a hub that shows it, takes for more than letters."""
DRAWN = 120
"""Letters of a line in a figure."""
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet takes for a formula, or that was marked for one."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)


def visible(text: str, keep: str = "") -> str:
    r"""Writes signs that nobody sees as Python writes them; all others stay.

    Arguments:
        text: Of any origin.
        keep: Such signs that are meant, line ends for one.

    Example:
        >>> visible("red\x1b[31m\n"), visible("naïve ☃ 数据")
        ('red\\x1b[31m\\n', 'naïve ☃ 数据')
    """
    return text if text.isprintable() else "".join(_seen(sign, keep) for sign in text)


def _seen(sign: str, keep: str) -> str:
    if sign in KEPT or sign in keep or unicodedata.category(sign) not in UNSEEN:
        return sign
    return sign.encode("unicode_escape").decode("ascii")


def say(text: object, error: bool = False) -> None:
    """Prints a line; no text in it moves the cursor, changes a colour, or begins a line anew.

    Arguments:
        text: Of the line.
        error: Whether it goes to the error stream.

    Example:
        >>> say("done\\x1b[2J")
        done\\x1b[2J
    """
    print(visible(str(text)), file=sys.stderr if error else sys.stdout, flush=True)


def note(text: object) -> None:
    """Prints a line on the error stream that is neither a result nor an error, unless quiet.

    Example:
        >>> token = LOUDNESS.set("quiet")
        >>> note("4 latents of 8 categories")
        >>> LOUDNESS.reset(token)
    """
    if LOUDNESS.get() != "quiet":
        say(text, error=True)


def for_markdown(text: str) -> str:
    r"""Gives what Markdown shows as this very text, within a line.

    Example:
        >>> for_markdown("[free](http://x.example) <img>")
        '\\[free\\](http\\://x.example) \\<img\\>'
    """
    return MARKS.sub(r"\\\1", visible(text))


def for_figure(text: str) -> str:
    r"""Gives what matplotlib draws as this very text.

    Example:
        >>> for_figure(r"$\frac{$")
        '\\$\\frac{\\$'
    """
    return shorten(visible(text, keep="\n"), DRAWN).replace("$", r"\$")


def for_csv(cell: str) -> str:
    """Marks a cell that a spreadsheet would run; numbers are none.

    Example:
        >>> for_csv("=1+2"), for_csv("-1.5"), for_csv("a = b"), for_csv("'=1")
        ("'=1+2", '-1.5', 'a = b', "''=1")
    """
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell


def from_csv(cell: str) -> str:
    """Takes the mark of :func:`for_csv` away.

    Example:
        >>> [from_csv(for_csv(cell)) for cell in ("=1+2", "'=1", "'tis", "-1")]
        ['=1+2', "'=1", "'tis", '-1']
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
