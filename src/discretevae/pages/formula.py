r"""Docstrings as a terminal shows them: formulas in letters and signs, no mark-up."""

import inspect
import re
import unicodedata
from textwrap import fill

__all__ = ["as_plain", "explained", "plain_formula"]

GREEK = (
    *("alpha", "beta", "gamma", "delta", "zeta", "eta", "pi"),
    *("sigma", "tau", "phi", "psi", "omega"),
)
SIGNS = {
    **{name: unicodedata.lookup(f"GREEK SMALL LETTER {name.upper()}") for name in GREEK},
    "sum": "Σ", "nabla": "∇", "partial": "∂", "sim": "~", "neq": "≠", "in": "∈", "notin": "∉",
    "cdot": "·", "to": "→", "leftarrow": "←", "setminus": "∖", "emptyset": "∅", "log": "log",
    "exp": "exp", "arg": "arg", "max": "max", "min": "min", "lVert": "‖", "rVert": "‖", "|": "‖",
    "{": "{", "}": "}", ",": " ", "quad": " ", "qquad": "\n", "big": "", "Big": "",
}  # fmt: skip
"""Command of LaTeX → what is read in its place; a formula goes on in a new line after `qquad`."""
ACCENTS = {"bar": "\u0304", "tilde": "\u0303", "hat": "\u0302"}
BRACES = {r"\{": "\x00", r"\}": "\x01"}
"""Those that are shown, and what stands for them while the others are taken off."""
SIMPLE = re.compile(r"[^\s+−/-]+")
"""What needs no brackets in a fraction."""

FORMULA = re.compile(r"^\.\. math:: (.*(?:\n {4}.*)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]*)`")
ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


def plain_formula(tex: str) -> str:
    r"""Writes a formula as one reads it aloud, from the inside out.

    Example:
        >>> print(plain_formula(r"\frac{1}{S - 1} \sum_{t \neq s} f(z_t), \qquad z_s \sim q"))
        1/(S − 1) Σ_(t ≠ s) f(z_t),
        z_s ~ q
    """
    text = " ".join(tex.split())
    for shown, held in BRACES.items():
        text = text.replace(shown, held)
    text = re.sub(r"\\tfrac(\d)(\d|\\\w+)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(bar|tilde|hat)\s+(\w)", lambda m: m[2] + ACCENTS[m[1]], text)
    text = re.sub(r"\\([a-zA-Z]+|[|,])", _command, text.replace("-", "−"))
    text = re.sub(r"(∂|∇) (?=[A-Za-z](?![A-Za-z]))", r"\1", text)
    before = ""
    while before != text:
        before = text
        text = re.sub(r"\\(?:mathrm|mathbb|text)\s?\{([^{}]*)\}", r"\1", text)
        text = re.sub(r"([_^])\{([^{}]*)\}", lambda m: m[1] + _grouped(m[2]), text)
        text = re.sub(r"\\frac\s?\{([^{}]*)\}\{([^{}]*)\}", _fraction, text)
    for shown, held in BRACES.items():
        text = text.replace(held, shown[1])
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(re.sub(r"([(\[]) | (?=[)\]])", r"\1", line) for line in lines)


def as_plain(text: str) -> str:
    """Takes the mark-up off a docstring and its formulas; their lines are set in.

    Example:
        >>> as_plain("At :math:`\\\\tau = 1` **biased**, as :class:`~discretevae.estimators.RLOO`.")
        'At τ = 1 biased, as RLOO.'
    """
    text = FORMULA.sub(lambda m: "    " + plain_formula(m[1]).replace("\n", "\n    "), text)
    text = INLINE.sub(lambda m: plain_formula(m[1]), text)
    return ROLE.sub(r"\1", text).replace("**", "")


def explained(docstring: str, width: int = 80) -> str:
    """Gives what a docstring says of a method, in lines: not what is raised, nor the example.

    Example:
        >>> print(explained("Adds.\\n\\nRaises:\\n    ValueError: No.\\n\\nReference: Me, 2020."))
        Adds.
        <BLANKLINE>
        Reference: Me, 2020.
    """
    parts = as_plain(inspect.cleandoc(docstring)).split("\n\n")
    kept = (part for part in parts if not part.startswith(("Raises:", "Example:")))
    return "\n\n".join(_wrapped(part, width) for part in kept)


def _wrapped(part: str, width: int) -> str:
    """Fills the lines of a paragraph; a formula and an entry begin lines of their own."""
    found: list[str] = []
    for line in part.splitlines():
        indent = len(line) - len(line.lstrip())
        if found and indent != 4 and not found[-1].endswith(":"):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return "\n".join(
        fill(line, width, subsequent_indent=8 * " " if line.startswith(" ") else "")
        for line in found
    )


def _command(found: re.Match[str]) -> str:
    return SIGNS.get(found[1], found[0])


def _grouped(part: str) -> str:
    return part if part.isalnum() and len(part) < 4 else f"({part})"


def _fraction(found: re.Match[str]) -> str:
    return "/".join(p if SIMPLE.fullmatch(p) else f"({p})" for p in (found[1], found[2]))
